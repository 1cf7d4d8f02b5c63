"""From ``model.safetensors`` to the encoder's parameters, with every name and shape checked.

The parameters keep the tensor names of the checkpoint, so the file and ``encoder.py`` can be read side by
side. Only the linear layers change. torch stores their weights as (out, in) and multiplies by the transpose.
Here each weight is transposed once, to (in, out), and a layer is ``x @ W + b``.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minilm._arrays import FloatArray
from minilm.checkpoint.files import WEIGHTS_INDEX, is_there, quoted, read_json
from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError, CheckpointWarning
from minilm.variants import BUCKETS, RELATIVE_BIAS, TYPE_EMBEDDINGS, VARIANTS

# No embedding depends on these tensors. Older versions of transformers saved the positions 0, 1, 2, ... The
# pooler is a layer over [CLS] that only classifiers use. The others are heads of further classes.
_UNUSED = re.compile(
    r"embeddings\.position_ids|(pooler|cls|lm_head|(pre_)?classifier|qa_outputs|dropout)\..*"
    r"|vocab_(transform|layer_norm|projector)\..*"
)

_FIRST = "embeddings.word_embeddings.weight"  # where the encoder's tensors begin
_TABLES = ("embeddings.", RELATIVE_BIAS)  # of two dimensions, and not a linear weight


def load_parameters(
    path: str | Path, config: ModelConfig, *, dtype: npt.DTypeLike = np.float32
) -> dict[str, FloatArray]:
    """Read an encoder's parameters, under BERT's names, from a safetensors file: tensor name to array.

    The file may hold float16, bfloat16, float32 and float64 tensors. The arrays have ``dtype``, float32 or
    float64, and linear weights have shape (in, out). A CheckpointError names what does not fit ``config``.
    """
    return dict(ParameterFile(path, config, dtype=dtype))


class ParameterFile(TensorFile):
    """A checked file of an encoder's parameters, under BERT's names, which a caller can convert one by one.

    ``head`` has the names and shapes of further required tensors. Two dimensions mean a linear weight. If
    the file is missing, the parts that ``model.safetensors.index.json`` names are read. A family without
    token types has a table of zeros for them.
    """

    def __init__(
        self,
        path: str | Path,
        config: ModelConfig,
        *,
        dtype: npt.DTypeLike = np.float32,
        head: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        variant, shapes = VARIANTS[config.model_type], expected_shapes(config)
        self._in_file = {name: variant.own_name(name) for name in shapes} | {n: n for n in head or ()}
        self._prefix, self._source = f"{variant.prefix}.", Path(path)
        self._zeros = (
            {} if variant.has_token_types else {TYPE_EMBEDDINGS: (config.type_vocab_size, config.hidden_size)}
        )
        expected = {self._in_file[name]: shape for name, shape in {**shapes, **(head or {})}.items()}
        super().__init__(
            weight_files(self._source),
            expected,
            linear=[n for n, shape in expected.items() if len(shape) == 2 and not n.startswith(_TABLES)],
            # token types may be zero: many models never read a second text
            nonzero=[n for n in expected if n.endswith(".weight") and "token_type" not in n],
            dtype=dtype,
            rename=self._rename,
            ignored=_UNUSED,
            is_strict=False,
        )

    def __getitem__(self, name: str) -> FloatArray:
        if name in self._zeros:
            return np.zeros(self._zeros[name], self._dtype)
        return super().__getitem__(self._in_file[name])

    def __iter__(self) -> Iterator[str]:
        return iter([*self._in_file, *self._zeros])

    def __len__(self) -> int:
        return len(self._in_file) + len(self._zeros)

    def _rename(self, names: Collection[str]) -> dict[str, str]:
        """Map names in the file to the family's: without a prefix, and with today's names of a layer norm."""
        prefixes = {name.removesuffix(_FIRST) for name in names if name.endswith(_FIRST)}
        outer = min(prefixes, default="").removesuffix(self._prefix) if len(prefixes) == 1 else ""
        if outer:
            reason = "which sentence-transformers would not find"
            message = f"{self._source}: the tensors' names begin with {quoted(outer)}, {reason}"
            warnings.warn(message, CheckpointWarning, stacklevel=2)
        short = {name: name.removeprefix(outer).removeprefix(self._prefix) for name in names}
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
    """BERT's name and shape of every tensor that the file must have; linear weights are (out, in) there."""
    variant = VARIANTS[config.model_type]
    hidden, intermediate = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, hidden),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, hidden),
        **({TYPE_EMBEDDINGS: (config.type_vocab_size, hidden)} if variant.has_token_types else {}),
        **({RELATIVE_BIAS: (BUCKETS, config.num_attention_heads)} if variant.has_relative_bias else {}),
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
