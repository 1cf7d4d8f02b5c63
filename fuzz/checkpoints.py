"""Small checkpoints with random weights for the targets, in a temporary folder."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.checkpoints import TINY, add_dense, write_checkpoint, write_cross_encoder

_folder = tempfile.TemporaryDirectory(prefix="minilm-fuzz-")  # deleted when the process ends


@cache
def sentence_encoder(name: str = "encoder") -> Path:
    """A checkpoint of MiniLM."""
    directory = Path(_folder.name) / name
    write_checkpoint(directory, TINY)
    return directory


@cache
def with_dense(name: str) -> Path:
    """A checkpoint of MiniLM whose embeddings go through a Dense module, to a width of 8."""
    directory = sentence_encoder(name)
    weight = np.random.default_rng(0).normal(0, 0.3, (8, TINY.hidden_size)).astype(np.float32)
    tensors = {"linear.weight": weight, "linear.bias": weight[:, 0].copy()}
    add_dense(directory, tensors, in_features=TINY.hidden_size, out_features=8)
    return directory


@cache
def cross_encoder(name: str = "cross-encoder") -> Path:
    """A checkpoint of CrossEncoder, with one label."""
    return write_cross_encoder(lambda: sentence_encoder(name))
