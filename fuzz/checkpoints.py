"""Small checkpoints with random weights for the targets, in a folder that goes when the process ends."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

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
def with_dense(name: str) -> Path:
    """A checkpoint of MiniLM whose embeddings go through a Dense module, to a width of 8."""
    directory = sentence_encoder(name)
    modules = json.loads((directory / "modules.json").read_text())
    modules.insert(2, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "2_Dense").mkdir()
    activation = "torch.nn.modules.activation.Tanh"
    sizes = {"in_features": TINY.hidden_size, "out_features": 8}
    fields = {**sizes, "bias": True, "activation_function": activation}
    (directory / "2_Dense" / "config.json").write_text(json.dumps(fields))
    random = np.random.default_rng(0)
    weight = random.normal(0, 0.3, (8, TINY.hidden_size)).astype(np.float32)
    tensors = {"linear.weight": weight, "linear.bias": weight[:, 0].copy()}
    save_file(tensors, directory / "2_Dense" / "model.safetensors")
    return directory


@cache
def cross_encoder(name: str = "cross-encoder") -> Path:
    """A checkpoint of CrossEncoder, with one label."""
    return write_cross_encoder(lambda: sentence_encoder(name))
