"""From ``model.safetensors`` to the encoder's parameters, with every name and shape checked.

The parameters keep the tensor names of the checkpoint, so the file and ``encoder.py`` can be read side by
side. Only the linear layers change. torch stores their weights as (out, in) and multiplies by the transpose.
Here each weight is transposed once, to (in, out), and a layer is ``x @ W + b``.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minilm._arrays import FloatArray
from minilm.checkpoint.files import WEIGHTS_INDEX, is_there, quoted, read_json
from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError, CheckpointWarning

Parameters = Mapping[str, FloatArray]


# No embedding depends on these tensors. Older versions of transformers saved the positions 0, 1, 2, ... The
# pooler is a layer over [CLS] that only classifiers use. The others are heads of BERT's further classes.
_UNUSED = re.compile(r"embeddings\.position_ids|(pooler|cls|classifier|qa_outputs|dropout)\..*")

# The encoder's name in a model with a head, and where its tensors begin.
_PREFIX, _FIRST = "bert.", "embeddings.word_embeddings.weight"


def load_parameters(
    path: str | Path, config: ModelConfig, *, dtype: npt.DTypeLike = np.float32
) -> dict[str, FloatArray]:
    """Read a BERT encoder's parameters from a safetensors file: tensor name to array.

    The file may hold float16, bfloat16, float32 and float64 tensors. The arrays have ``dtype``, float32 or
    float64, and linear weights have shape (in, out). A CheckpointError names what does not fit ``config``.
    """
    return dict(ParameterFile(path, config, dtype=dtype))


class ParameterFile(TensorFile):
    """A checked file of BERT parameters, which a caller can convert one by one.

    ``head`` has the names and shapes of further required tensors. Two dimensions mean a linear weight. If
    the file is missing, the parts that ``model.safetensors.index.json`` names are read.
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
        self._source = Path(path)
        super().__init__(
            weight_files(self._source),
            expected,
            linear=[
                n for n, shape in expected.items() if len(shape) == 2 and not n.startswith("embeddings.")
            ],
            # token types may be zero: many models never read a second text
            nonzero=[n for n in expected if n.endswith(".weight") and "token_type" not in n],
            dtype=dtype,
            rename=self._rename,
            ignored=_UNUSED,
            is_strict=False,
        )

    def _rename(self, names: Collection[str]) -> dict[str, str]:
        """Map names in the file to BERT's: without a prefix, and with today's names of a layer norm."""
        prefixes = {name.removesuffix(_FIRST) for name in names if name.endswith(_FIRST)}
        outer = min(prefixes, default="").removesuffix(_PREFIX) if len(prefixes) == 1 else ""
        if outer:
            reason = "which sentence-transformers would not find"
            message = f"{self._source}: the tensors' names begin with {quoted(outer)}, {reason}"
            warnings.warn(message, CheckpointWarning, stacklevel=2)
        short = {name: name.removeprefix(outer).removeprefix(_PREFIX) for name in names}
        for older, newer in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
            short = {name: value.replace(older, newer) for name, value in short.items()}
        return short


def weight_files(path: Path) -> tuple[Path, ...]:
    """``model.safetensors``, or the parts that the index beside it names if there is no such file."""
    index = path.with_name(WEIGHTS_INDEX)
    if is_there(path) or not is_there(index):
        return (path,)
    places = read_json(index, dict).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{index}: weight_map must name the file of each tensor")
    for name in places.values():
        if not isinstance(name, str) or not re.fullmatch(r"(?!\.)[\w.-]{1,99}\.safetensors", name, re.ASCII):
            raise CheckpointError(f"{index}: {quoted(name)} is not the plain name of a safetensors file")
    return tuple(path.with_name(name) for name in sorted({*places.values()}))


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape in the file of every tensor that the encoder needs; linear weights have (out, in)."""
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
    """Number of the encoder's parameters: 22,565,376 for all-MiniLM-L6-v2, without the unused pooler."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())
