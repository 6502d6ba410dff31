"""Procedural anatomy: label maps of one body, as large and as fine as asked for.

A template of an adult is made of implicit shapes (`shapes`), in millimetres and RAS+ axes, its origin between
the hip joints. Each seed draws another body: proportions, fat, curves, sizes, surfaces (`body`). The shapes
that meet the asked field of view are sampled on a lattice of 2 mm (`lattice`), then painted slice by slice
on the asked grid, later ones over earlier ones (`drawing`).
"""

from gateway.imaging.maisi.anatomy.drawing import draw_anatomy

__all__ = ["draw_anatomy"]
