"""A corpus encoded on the machines of a Ray cluster."""
