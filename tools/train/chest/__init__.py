"""Parts of the chest X-ray training: films, networks, the two fits, figures and export."""
