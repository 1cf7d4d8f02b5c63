"""Tests of minilm/server/."""
