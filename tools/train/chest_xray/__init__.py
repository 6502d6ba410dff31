"""Training of the chest X-ray classifier: films, networks, the two fits, figures and export."""
