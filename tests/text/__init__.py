"""Tests of minilm/text/."""
