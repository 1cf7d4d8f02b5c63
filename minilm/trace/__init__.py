"""Every intermediate of a model in float64, and the first that another implementation has otherwise."""
