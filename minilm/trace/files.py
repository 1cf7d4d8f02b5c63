"""A trace as a safetensors file, with a README in its metadata, and any other safetensors file as a trace."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from minilm._arrays import AnyArray
from minilm._files import write_whole
from minilm.checkpoint.tensors import from_bfloat16, tensor_names
from minilm.errors import MiniLMError, one_line
from minilm.trace.names import SIZES, axes, title
from minilm.variants import VARIANTS

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1",
}  # fmt: skip

_README = """\
Every intermediate of {checkpoint} on {texts} text(s), in the order of computation, made by `minilm trace`.
All numbers were computed in float64 and are stored in {dtype}. A name is that of the module of transformers'
{family} whose output it is; ".input" is what the module gets. Layers count from 0. Padding stands where
attention_mask is 0, and its numbers do not matter. A linear layer is x W + b. Shapes: {sizes}.

{lines}
"""


class TraceError(MiniLMError):
    """A file is no trace, or a trace of something else; the message says what to change."""


class Tensor(NamedTuple):
    """A tensor of a file."""

    values: AnyArray
    precision: str  # "float16", "bfloat16", or "float32" for all that is finer


def readme(tensors: Mapping[str, AnyArray], checkpoint: str, dtype: str, family: str = "bert") -> str:
    """Return what stands in the metadata: the tensors with their axes and shapes."""
    own_name = VARIANTS[family].own_name
    lines = [
        f"{own_name(name)} {'x'.join(axes(name, x))} {x.shape}: {title(name)}" for name, x in tensors.items()
    ]
    sizes = ", ".join(f"{letter} {words}" for letter, words in SIZES.items())
    texts = len(tensors["input_ids"])
    return _README.format(
        checkpoint=checkpoint, texts=texts, dtype=dtype, family=family, sizes=sizes, lines="\n".join(lines)
    )


def write_trace(
    path: Path,
    tensors: Mapping[str, AnyArray],
    *,
    checkpoint: str,
    texts: Sequence[str],
    dtype: str,
    family: str = "bert",
) -> None:
    """Write a trace, whole or not at all; floats get ``dtype``, "float64" or "float32".

    ``tensors`` have BERT's names, and those of another family in the file.
    """
    own_name = VARIANTS[family].own_name
    stored = {own_name(name): x if x.dtype.kind == "i" else x.astype(dtype) for name, x in tensors.items()}
    metadata = {
        "README": readme(tensors, checkpoint, dtype, family),
        "checkpoint": checkpoint,
        "texts": json.dumps(list(texts)),
        "order": json.dumps([*stored]),
    }
    write_whole(path, save(stored, metadata))


def read_trace(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file."""
    tensor_names(path)  # refuses what is no safetensors file, or has a header made to be slow
    try:
        parts: list[tuple[str, Any]] = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise TraceError(f"{path} cannot be read as safetensors: {one_line(error)}") from error
    return {name: _tensor(path, name, part) for name, part in parts}


def _tensor(path: Path, name: str, part: Mapping[str, Any]) -> Tensor:
    dtype, shape, data = part["dtype"], part["shape"], part["data"]
    if dtype == "BF16":
        return Tensor(from_bfloat16(data).reshape(shape), "bfloat16")
    if dtype not in DTYPES:
        known = ", ".join(("BF16", *DTYPES))
        raise TraceError(f"{path}: {one_line(name)} has the dtype {dtype}, not one of {known}")
    values = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    return Tensor(values, "float16" if dtype == "F16" else "float32")
