"""Chest X-ray TB engine: `/single_inference`."""
