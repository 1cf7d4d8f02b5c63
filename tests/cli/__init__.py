"""Tests of minilm/cli/."""
