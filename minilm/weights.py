"""From ``model.safetensors`` to the encoder's parameters, every name and shape checked.

The parameters keep the checkpoint's tensor names, so that the file and ``encoder.py`` can be read side by
side. One thing changes on the way in: torch stores a linear layer's weight as (out, in) and multiplies by
its transpose; here it is transposed once, to (in, out), so that a layer is ``x @ W + b``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize, safe_open

from minilm.config import ModelConfig
from minilm.errors import CheckpointError

Parameters = Mapping[str, npt.NDArray[np.floating]]

# Present in many checkpoints and not part of the path from text to embedding: the positions 0, 1, 2, ... that
# older versions of transformers saved, and the pooler, a layer over [CLS] that only classifiers use.
_UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")

_FLOAT_DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # safetensors' names: bytes an element


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
        If the file cannot be read as safetensors, or if tensors are missing, unexpected, of the wrong shape
        or not floating point; the message names them.
    """
    return dict(ParameterFile(path, config, dtype=dtype))


class ParameterFile(Mapping[str, npt.NDArray[np.floating]]):
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
        self._path, self._dtype = Path(path), dtype
        self._expected = expected_shapes(config) | dict(head or {})
        with self._errors_named():
            self._file = _open(self._path)
            # a model with a head of its own has its encoder's tensors under "bert."
            self._names = {name.removeprefix("bert."): name for name in self._file.keys()}  # noqa: SIM118 - not a dict
            found = {name: self._file.get_slice(in_file) for name, in_file in self._names.items()}
            _check(
                self._path,
                self._expected,
                {name: (s.get_shape(), s.get_dtype()) for name, s in found.items()},
            )
            is_bfloat16 = {name for name in self._expected if found[name].get_dtype() == "BF16"}
            in_file = {self._names[name]: name for name in is_bfloat16}
            self._bfloat16 = {in_file[n]: t for n, t in _read_bfloat16(self._path, set(in_file))}

    def __getitem__(self, name: str) -> npt.NDArray[np.floating]:
        if name not in self._expected:
            raise KeyError(name)
        with self._errors_named():
            tensor = (
                self._bfloat16[name] if name in self._bfloat16 else self._file.get_tensor(self._names[name])
            )
        is_linear = tensor.ndim == 2 and not name.startswith("embeddings.")
        return np.asarray(tensor.T if is_linear else tensor, dtype=self._dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self._path} cannot be read as safetensors: {error}") from error


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no type for what it returns
    try:
        # a mapped file counts as the process's memory: it would double the peak while loading
        return safe_open(path, framework="numpy", backend="pread")
    except TypeError:  # safetensors before 0.8 maps it
        return safe_open(path, framework="numpy")


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


def _check(
    path: Path,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[list[int], str]],
) -> None:
    faults = [f"missing: {name}" for name in expected if name not in found]
    faults += [f"unexpected: {name}" for name in found if name not in expected and name not in _UNUSED]
    for name in expected:
        if name in found:
            shape, dtype = tuple(found[name][0]), found[name][1]
            if shape != expected[name]:
                faults.append(f"{name} has shape {shape}, config.json says {expected[name]}")
            if dtype not in _FLOAT_DTYPES:
                faults.append(f"{name} has dtype {dtype}, not one of {', '.join(_FLOAT_DTYPES)}")
    if faults:
        shown = "; ".join(faults[:8])
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise CheckpointError(f"{path} does not fit its config.json: {shown}{more}")


def _read_bfloat16(path: Path, names: set[str]) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Tensors that numpy has no dtype for: a bfloat16 is the upper half of a float32."""
    if not names:
        return
    for name, tensor in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
        if name in names:
            upper_half = np.frombuffer(tensor["data"], dtype="<u2").astype(np.uint32)
            yield name, (upper_half << 16).view(np.float32).reshape(tensor["shape"])


def count_parameters(config: ModelConfig) -> int:
    """How many numbers the encoder has: 22,565,376 for all-MiniLM-L6-v2, its unused pooler not counted."""
    return sum(math.prod(shape) for shape in expected_shapes(config).values())
