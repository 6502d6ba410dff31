"""Canine vertebral heart scale (VHS) and vertebral left atrial size (VLAS) from seven landmarks."""
