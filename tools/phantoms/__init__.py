"""Drawn images for training and tests: lesions on real films, and films of other body parts."""
