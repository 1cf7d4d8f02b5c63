"""The Dense module of sentence-transformers: a linear layer over the pooled embedding, as in LaBSE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from minilm.activations import gelu, relu
from minilm.config import read_json
from minilm.errors import CheckpointError

Array = npt.NDArray[np.float32]

# By the last part of torch's name for them, "torch.nn.modules.activation.Tanh".
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "Tanh": np.tanh,
    "Identity": lambda x: x,
    "ReLU": lambda x: relu(x).astype(np.float32),
    "GELU": lambda x: gelu(x).astype(np.float32),
}


class Dense(NamedTuple):
    """``activation(x @ weight + bias)``."""

    weight: Array  # (in, out)
    bias: Array  # (out,)
    activation: Callable[[Array], Array]

    def __call__(self, embeddings: Array) -> Array:
        """Embeddings (N, in) to (N, out)."""
        return self.activation(embeddings @ self.weight + self.bias)


def load_dense(directory: Path) -> Dense:
    """Read the module in ``directory``.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, its tensors do not fit its ``config.json``, or it asks for what is
        not computed here (another activation, a residual connection, other inputs than the embedding).
    """
    path, weights = directory / "config.json", directory / "model.safetensors"
    fields = read_json(path, dict)
    for name, supported in (
        ("use_residual", False),
        ("module_input_name", "sentence_embedding"),
        ("module_output_name", "sentence_embedding"),
    ):
        if fields.get(name, supported) not in (supported, None):
            raise CheckpointError(f"{path}: {name} {fields[name]!r} is not supported, only {supported!r} is")
    activation = str(fields.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise CheckpointError(
            f"{path}: activation_function {activation!r} is not supported, only {known} are"
        )
    if not weights.is_file():
        raise CheckpointError(f"{weights} is missing; minilm opens safetensors only, no pickles")
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError, TypeError) as error:
        raise CheckpointError(f"{weights} cannot be read as safetensors: {error}") from error
    shape = (fields.get("out_features"), fields.get("in_features"))
    expected = {"linear.weight": shape}
    if fields.get("bias", True):
        expected["linear.bias"] = shape[:1]  # type: ignore[assignment] # a tuple of one
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        raise CheckpointError(f"{weights} has tensors {found}, but its config.json says {expected}")
    weight = np.ascontiguousarray(tensors["linear.weight"].T, np.float32)  # (in, out)
    bias = tensors.get("linear.bias", np.zeros(weight.shape[1])).astype(np.float32)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise CheckpointError(f"{weights} holds numbers that are not finite")
    return Dense(weight, bias, _ACTIVATIONS[activation])
