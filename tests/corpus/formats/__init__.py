"""Tests of minilm/corpus/formats/."""
