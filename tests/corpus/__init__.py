"""Tests of minilm/corpus/."""
