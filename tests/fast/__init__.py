"""Tests of minilm/fast/."""
