"""Small checkpoints with random weights for the targets, in a folder that goes when the process ends."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from tests.conftest import TINY, write_checkpoint
from tests.test_cross_encoder import write as write_cross_encoder

_folder = tempfile.TemporaryDirectory(prefix="minilm-fuzz-")  # held: it goes with the module


@cache
def sentence_encoder(name: str = "encoder") -> Path:
    """A checkpoint of MiniLM."""
    directory = Path(_folder.name) / name
    write_checkpoint(directory, TINY)
    return directory


@cache
def cross_encoder() -> Path:
    """A checkpoint of CrossEncoder, with one label."""
    return write_cross_encoder(lambda: sentence_encoder("cross-encoder"))
