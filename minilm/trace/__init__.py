"""Every intermediate of a model in float64, and what first differs in another implementation: ``minilm trace``."""
