"""Triton's networks as TensorRT engines: built where they run, compared, installed, looked at."""
