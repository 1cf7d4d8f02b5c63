"""Tests of minilm.check.targets."""
