"""From ``model.safetensors`` to the encoder's parameters, every name and shape checked.

The parameters keep the checkpoint's tensor names, so that the file and ``encoder.py`` can be read side by
side. One thing changes on the way in: torch stores a linear layer's weight as (out, in) and multiplies by
its transpose; here it is transposed once, to (in, out), so that a layer is ``x @ W + b``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig

Parameters = Mapping[str, npt.NDArray[np.floating]]

# Present in many checkpoints and not part of the path from text to embedding: the positions 0, 1, 2, ... that
# older versions of transformers saved, and the pooler, a layer over [CLS] that only classifiers use.
_UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def load_parameters(
    path: str | Path, config: ModelConfig, *, dtype: npt.DTypeLike = np.float32
) -> dict[str, npt.NDArray[np.floating]]:
    """Read a BERT encoder's parameters from a safetensors file.

    Parameters
    ----------
    path : str or Path
        The file. float16, bfloat16, float32 and float64 tensors are read.
    config : ModelConfig
        What the tensors must look like.
    dtype : {float32, float64}
        What the parameters are converted to, and so what the encoder computes in.

    Returns
    -------
    dict of str to ndarray
        Tensor name to array; linear weights (in, out).

    Raises
    ------
    CheckpointError
        If the file cannot be read as safetensors, or if tensors are missing, unexpected, of the wrong shape,
        not floating point, not finite or too large for float32; the message names them.
    """
    return dict(ParameterFile(path, config, dtype=dtype))


class ParameterFile(TensorFile):
    """A checked safetensors file whose parameters are read when they are asked for, and not kept.

    Takes and raises what :func:`load_parameters` does, and ``head``, the shapes of more tensors that are
    wanted. Who needs each parameter once, to store it in another form, never holds the weights twice.
    """

    def __init__(
        self,
        path: str | Path,
        config: ModelConfig,
        *,
        dtype: npt.DTypeLike = np.float32,
        head: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        expected = expected_shapes(config) | dict(head or {})
        # a model with a head of its own has its encoder's tensors under "bert."
        super().__init__(Path(path), expected, dtype=dtype, ignored=_UNUSED, prefix="bert.")


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor the encoder needs, by its name in the file, with its shape there (linear: (out, in))."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, hidden),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, hidden),
        "embeddings.token_type_embeddings.weight": (config.type_vocab_size, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    linear = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (intermediate, hidden),
        "output.dense": (hidden, intermediate),
    }
    for i in range(config.num_hidden_layers):
        layer = f"encoder.layer.{i}"
        for name, shape in linear.items():
            shapes[f"{layer}.{name}.weight"] = shape
            shapes[f"{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{layer}.{name}.weight"] = (hidden,)
            shapes[f"{layer}.{name}.bias"] = (hidden,)
    return shapes


def count_parameters(config: ModelConfig) -> int:
    """How many numbers the encoder has: 22,565,376 for all-MiniLM-L6-v2, its unused pooler not counted."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())
