"""Training of the network that finds a photographed screen's corners."""
