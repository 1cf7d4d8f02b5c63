"""The demo page and the HTTP service behind ``minilm serve`` (extra: serve)."""
