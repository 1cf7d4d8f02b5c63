"""Tests of minilm/hub/."""
