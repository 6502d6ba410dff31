"""Synthetic CT with paired labels: anatomy, rectified flow in a latent space, decoding, quality control."""
