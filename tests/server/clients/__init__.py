"""The clients of other services, which people have already, against the server."""
