"""Training of the landmark network of VHS and VLAS: drawn films, changes to them, fit, figures, export."""
