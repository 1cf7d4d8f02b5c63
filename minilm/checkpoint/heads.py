"""The Dense module of sentence-transformers: a linear layer over the pooled embedding, as in LaBSE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minilm.activations import gelu, relu
from minilm.checkpoint.files import is_there, quoted, read_json
from minilm.checkpoint.tensors import TensorFile
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
    name: str  # in an error

    def __call__(self, embeddings: Array) -> Array:
        """Embeddings (N, in) to (N, out)."""
        with np.errstate(over="ignore", invalid="ignore"):  # whatever overflows in the end is an error
            made = self.activation(embeddings @ self.weight + self.bias)
        if not np.isfinite(made).all():
            raise CheckpointError(f"{self.name} is damaged: its weights are finite and what it makes is not")
        return made


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
            raise CheckpointError(
                f"{path}: {name} {quoted(fields[name])} is not supported, only {supported!r} is"
            )
    given = fields.get("activation_function", "Tanh")
    activation = given.rpartition(".")[2] if isinstance(given, str) else ""
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise CheckpointError(
            f"{path}: activation_function {quoted(given)} is not supported, only {known} are"
        )
    if not is_there(weights):
        raise CheckpointError(f"{weights} is missing; minilm opens safetensors only, no pickles")
    for name in ("in_features", "out_features"):
        size = fields.get(name)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size < 2**31:
            raise CheckpointError(f"{path}: {name} must be a positive whole number, not {quoted(size)}")
    if not isinstance(has_bias := fields.get("bias", True), bool):
        raise CheckpointError(f"{path}: bias must be true or false, not {quoted(has_bias)}")
    into, out = fields["in_features"], fields["out_features"]
    tensors = TensorFile(
        weights,
        {"linear.weight": (out, into)} | ({"linear.bias": (out,)} if has_bias else {}),
        linear=["linear.weight"],
        nonzero=["linear.weight"],
    )
    weight = np.ascontiguousarray(tensors["linear.weight"], np.float32)  # (in, out)
    bias = np.asarray(tensors["linear.bias"] if has_bias else np.zeros(out), np.float32)  # (out,)
    return Dense(weight, bias, _ACTIVATIONS[activation], str(weights))
