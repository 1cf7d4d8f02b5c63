"""Tests of minilm.trace."""
