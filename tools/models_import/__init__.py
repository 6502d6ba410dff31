"""Weights that others published, brought into the form that Triton runs here."""
