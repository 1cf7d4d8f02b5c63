"""Tests of minilm/corpus/ray/."""
