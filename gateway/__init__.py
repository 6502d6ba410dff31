"""RadGate's gateway: four medical imaging APIs in front of Triton."""

__version__ = "0.1.0"
