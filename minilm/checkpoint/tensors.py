"""A safetensors file, checked against the expected tensors and against the range of trained weights.

The ``safetensors`` library checks that header and data agree. This module adds the checks that the library
leaves out. The header is short and repeats no name, and the tensors are the expected ones. All numbers are
finite and small enough for float32 arithmetic.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize, safe_open

from minilm._arrays import Float32Array, FloatArray
from minilm.checkpoint.files import check_regular, quoted, refuse_pointer
from minilm.errors import CheckpointError, CheckpointWarning, one_line

# The header of the largest BERT has 60,000 bytes. The library would accept 100 million bytes, which take half
# a minute and 2 GB to parse.
MAX_HEADER_BYTES = 4 << 20

# Trained weights are below a hundred. From 1e17 on, the sum of a few thousand squares exceeds float32. One
# flipped bit, the highest of the exponent, turns a usual weight into 1e36 or more.
LARGEST_WEIGHT = 1e16

_FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")  # by safetensors' names


class TensorFile(Mapping[str, FloatArray]):
    """A checked safetensors file. A tensor is read on each access and is not kept.

    ``expected`` has the names of the required tensors with their shapes in the file. Several ``paths`` are
    parts of one file. ``rename`` maps the names in the file to those. Tensors whose names ``ignored`` matches
    are left aside. Any other tensor is an error, or a warning unless the file ``is_strict``. torch stores the
    ``linear`` weights as (out, in); they are returned as (in, out). A tensor of ``nonzero`` that holds only
    zeros is damaged, as in an incomplete copy. All arrays have ``dtype``, float32 or float64.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        expected: Mapping[str, tuple[int, ...]],
        *,
        linear: Collection[str] = (),
        nonzero: Collection[str] = (),
        dtype: npt.DTypeLike = np.float32,
        rename: Callable[[Collection[str]], Mapping[str, str]] | None = None,
        ignored: re.Pattern[str] | None = None,
        is_strict: bool = True,
    ) -> None:
        self._path, self._dtype, self._expected = paths[0], dtype, dict(expected)
        self._linear, self._nonzero = frozenset(linear), frozenset(nonzero)
        places = {name: path for path in paths for name in tensor_names(path)}  # of the last part that has it
        renamed = rename(places) if rename else dict(zip(places, places, strict=True))
        self._names: dict[str, tuple[Path, str]] = {}  # name to file and name in the file
        for in_file, path in places.items():
            name = renamed[in_file]
            if name in self._names:
                other = self._names[name][1]
                reason = f"has {quoted(name)} twice, as {quoted(other)} and as {quoted(in_file)}"
                raise CheckpointError(f"{path} {reason}")
            self._names[name] = (path, in_file)
        with self._library_errors():
            self._files = {path: _open(path) for path in paths}
            slices = {
                name: self._files[path].get_slice(in_file) for name, (path, in_file) in self._names.items()
            }
            contents = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
            others = [n for n in contents if n not in expected and not (ignored and ignored.fullmatch(n))]
            _check_header(self._path, self._expected, contents, others, is_strict=is_strict)
            self._bfloat16: dict[str, Float32Array] = {}
            for path in paths:
                names = {
                    in_file: name
                    for name, (place, in_file) in self._names.items()
                    if place == path and name in expected and contents[name][1] == "BF16"
                }
                self._bfloat16.update(_read_bfloat16(path, names))

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._expected:
            raise KeyError(name)
        with self._library_errors(), np.errstate(over="ignore"):
            if name in self._bfloat16:
                tensor = self._bfloat16[name]
            else:
                path, in_file = self._names[name]
                tensor = self._files[path].get_tensor(in_file)
            tensor = np.asarray(tensor.T if name in self._linear else tensor, dtype=self._dtype)
        self._check_numbers(name, tensor)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    def _check_numbers(self, name: str, tensor: FloatArray) -> None:
        lowest, highest = tensor.min(), tensor.max()  # NaN if the tensor holds one
        if not (lowest >= -LARGEST_WEIGHT and highest <= LARGEST_WEIGHT):
            bad = highest if not highest <= LARGEST_WEIGHT else lowest
            raise CheckpointError(
                f"{self._path} is damaged: {name} holds {bad:.6g}; a weight is finite and at most "
                f"{LARGEST_WEIGHT:g} in size"
            )
        if lowest == highest == 0 and name in self._nonzero:
            raise CheckpointError(f"{self._path} is damaged: {name} holds only zeros")

    @contextmanager
    def _library_errors(self) -> Iterator[None]:
        try:
            yield
        except (SafetensorError, OSError) as error:
            raise _invalid(self._path, error) from error
        except MemoryError as error:
            raise CheckpointError(f"{self._path} does not fit into memory") from error


def tensor_names(path: Path) -> list[str]:
    """The names in a safetensors header: 8 bytes with its length, then JSON."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            refuse_pointer(path, file.read(64))
            file.seek(0)
            if len(prefix := file.read(8)) < 8:
                raise _invalid(path, f"it has {len(prefix)} bytes; the length of the header alone takes 8")
            length = int.from_bytes(prefix, "little")
            if length > MAX_HEADER_BYTES:
                raise _invalid(path, f"its header claims {length} bytes; the limit is {MAX_HEADER_BYTES}")
            header = file.read(length)
        if len(header) < length:
            raise _invalid(path, f"it ends within its header of {length} bytes")
        tensors = json.loads(header, object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise _invalid(path, error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise _invalid(path, f"in its header: {error}") from error
    if not isinstance(tensors, dict):
        raise _invalid(path, f"its header holds a JSON {type(tensors).__name__}, not a dict")
    return [name for name in tensors if name != "__metadata__"]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"the name {quoted(name)} is repeated")
        values[name] = value
    return values


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors does not annotate its return type
    try:
        # A memory-mapped file counts as memory of the process and would double the peak of a load.
        return safe_open(path, framework="numpy", backend="pread")
    except TypeError:  # safetensors before 0.8 always maps the file
        return safe_open(path, framework="numpy")


def _invalid(path: Path, reason: object) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read as safetensors: {one_line(reason)}")


def _check_header(
    path: Path,
    expected: Mapping[str, tuple[int, ...]],
    contents: Mapping[str, tuple[tuple[int, ...], str]],
    others: Sequence[str],
    *,
    is_strict: bool,
) -> None:
    faults = [f"missing: {name}" for name in expected if name not in contents]
    for name in (name for name in expected if name in contents):
        shape, dtype = contents[name]
        if shape != expected[name]:
            faults.append(f"{name} has shape {quoted(shape)}, config.json says {expected[name]}")
        if dtype not in _FLOAT_DTYPES:
            faults.append(f"{name} has dtype {dtype}, not one of {', '.join(_FLOAT_DTYPES)}")
    if faults or is_strict:
        faults += [f"unexpected: {_readable(name)}" for name in others]
    if faults:
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise CheckpointError(f"{path} does not fit its config.json: {'; '.join(faults[:8])}{more}")
    if others:
        reason = "are not part of the model, and are left aside"
        warnings.warn(f"{path}: tensors {quoted(others)} {reason}", CheckpointWarning, stacklevel=2)


def _readable(name: str) -> str:
    """A tensor's name, quoted only if it is long or not printable."""
    return name if name.isprintable() and len(name) < 100 else quoted(name)


def _read_bfloat16(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Float32Array]]:
    """Tensors in bfloat16.

    ``names`` maps the names in the file to those of the result.
    """
    if not names:
        return
    for name, tensor in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
        if name in names:
            yield names[name], from_bfloat16(tensor["data"]).reshape(tensor["shape"])


def from_bfloat16(data: bytes) -> Float32Array:
    """Return numbers of a dtype that numpy lacks: a bfloat16 is the upper half of a float32."""
    upper_half = np.frombuffer(data, dtype="<u2").astype(np.uint32)
    return (upper_half << 16).view(np.float32)
