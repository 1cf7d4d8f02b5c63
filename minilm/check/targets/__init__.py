"""The other implementation: an HTTP service, a Python function, a command, or a file of its vectors."""
