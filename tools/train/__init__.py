"""Training of the models that RadGate ships; needs the `train` extra."""
