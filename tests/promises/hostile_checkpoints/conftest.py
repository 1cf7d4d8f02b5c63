"""What every test here refuses checkpoints with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CrossEncoder
from tests.checkpoints import MakeCheckpoint
from tests.promises.hostile_checkpoints.refusing import Refusal, change_json

HEAD = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}


@pytest.fixture
def refusal(capfd: pytest.CaptureFixture[str]) -> Refusal:
    # of the file descriptors, because the Rust in safetensors and tokenizers writes to them
    return Refusal(capfd)


@pytest.fixture
def directory(make_checkpoint: MakeCheckpoint) -> Path:
    """A small checkpoint with nothing wrong with it, to be spoilt."""
    return make_checkpoint()


@pytest.fixture
def classifier(directory: Path) -> Path:
    """A cross-encoder with nothing wrong with it."""
    tensors = {f"bert.{name}": t for name, t in load_file(directory / "model.safetensors").items()}
    tensors["bert.pooler.dense.weight"] = np.eye(16, dtype=np.float32)
    tensors["bert.pooler.dense.bias"] = np.zeros(16, np.float32)
    tensors["classifier.weight"] = np.ones((1, 16), np.float32)
    tensors["classifier.bias"] = np.zeros(1, np.float32)
    save_file(tensors, directory / "model.safetensors")
    change_json(directory / "config.json", lambda fields: fields.update(HEAD))
    assert CrossEncoder(directory).num_labels == 1
    return directory
