"""Tests of minilm/server/page/, in a browser."""
