"""Safe paths and atomic output sets."""
