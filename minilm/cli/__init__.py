"""The ``minilm`` command."""
