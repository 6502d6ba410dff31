"""What every API shares between the socket and its own code."""
