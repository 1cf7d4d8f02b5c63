"""Tests of minilm.check."""
