"""Both ends of the wire to Triton."""
