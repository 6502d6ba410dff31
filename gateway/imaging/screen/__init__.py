"""Photographs of a screen: where the radiograph lies in them, and the picture straightened."""
