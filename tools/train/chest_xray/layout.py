"""Sizes that the films, the networks and the drawn images agree on, free of torch."""

SIZE = 256
"""Side of the network's input in pixels."""
GATE_SIZE = 64
"""Side of the image that the gate sees: what a thumbnail shows, so that resolution says nothing."""
MAP_SIDE = 16
"""Side of an activation map in cells."""
