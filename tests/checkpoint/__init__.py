"""Tests of minilm/checkpoint/."""
