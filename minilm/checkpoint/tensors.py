"""A safetensors file, held to the tensors that it must contain, and to numbers that weights can have.

The ``safetensors`` library checks that the header and the bytes fit each other. Here is checked what it
leaves open: how long the header may be, that no name stands in it twice, that it is the tensors that are
needed, and that their numbers are finite and of a size that float32 can compute with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize, safe_open

from minilm.checkpoint.files import check_regular, shown
from minilm.errors import CheckpointError, one_line

# The header of BERT's largest has 60,000 bytes. The library would read 100 million, which takes it half a
# minute and 2 GB.
MAX_HEADER_BYTES = 4 << 20

# Trained weights are below a hundred. From 1e17 the square of a few thousand of them, summed, leaves float32.
# One flipped bit, the highest of the exponent, makes 1e36 and more of a usual weight.
LARGEST_WEIGHT = 1e16

_FLOAT_DTYPES = ("F64", "F32", "F16", "BF16")  # by safetensors' names


class TensorFile(Mapping[str, npt.NDArray[np.floating]]):
    """A checked safetensors file whose tensors are read when they are asked for, and not kept.

    Parameters
    ----------
    path : Path
    expected : mapping of str to tuple of int
        The tensors that are needed, with their shapes in the file (linear weights (out, in)).
    dtype : {float32, float64}
        What they are converted to.
    ignored : collection of str
        Tensors that may be there and are not needed.
    prefix : str
        What may stand before each name in the file.

    Raises
    ------
    CheckpointError
        If the file cannot be read as safetensors, if tensors are missing, unexpected, of the wrong shape or
        not floating point, or later, if the numbers of one that is read are not those of a weight.
    """

    def __init__(
        self,
        path: Path,
        expected: Mapping[str, tuple[int, ...]],
        *,
        dtype: npt.DTypeLike = np.float32,
        ignored: Collection[str] = (),
        prefix: str = "",
    ) -> None:
        self._path, self._dtype, self._expected = path, dtype, dict(expected)
        self._names: dict[str, str] = {}
        for in_file in _tensor_names(path):
            name = in_file.removeprefix(prefix)
            if name in self._names:
                raise CheckpointError(
                    f"{path} has {shown(name)} twice, with and without {prefix!r} before it"
                )
            self._names[name] = in_file
        with self._errors_named():
            self._file = _open(path)
            slices = {name: self._file.get_slice(in_file) for name, in_file in self._names.items()}
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
        _check(path, self._expected, found, ignored)
        is_bfloat16 = {self._names[name]: name for name in self._expected if found[name][1] == "BF16"}
        with self._errors_named():
            self._bfloat16 = {is_bfloat16[n]: t for n, t in _read_bfloat16(path, set(is_bfloat16))}

    def __getitem__(self, name: str) -> npt.NDArray[np.floating]:
        if name not in self._expected:
            raise KeyError(name)
        with self._errors_named(), np.errstate(over="ignore"):
            tensor = (
                self._bfloat16[name] if name in self._bfloat16 else self._file.get_tensor(self._names[name])
            )
            is_linear = tensor.ndim == 2 and not name.startswith("embeddings.")
            tensor = np.asarray(tensor.T if is_linear else tensor, dtype=self._dtype)
        self._check_numbers(name, tensor)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    def _check_numbers(self, name: str, tensor: npt.NDArray[np.floating]) -> None:
        lowest, highest = tensor.min(), tensor.max()  # NaN if there is one
        if not (lowest >= -LARGEST_WEIGHT and highest <= LARGEST_WEIGHT):
            bad = highest if not highest <= LARGEST_WEIGHT else lowest
            raise CheckpointError(
                f"{self._path} is damaged: {name} holds {bad:.6g}, and a weight is finite and below "
                f"{LARGEST_WEIGHT:g}"
            )
        if lowest == highest == 0 and name.endswith(".weight") and "token_type" not in name:
            # what a file that was not written to its end often holds there
            raise CheckpointError(f"{self._path} is damaged: {name} holds nothing but zeros")

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (SafetensorError, OSError) as error:
            raise _unreadable(self._path, error) from error
        except MemoryError as error:
            raise CheckpointError(f"{self._path} does not fit into memory") from error


def _tensor_names(path: Path) -> list[str]:
    """The names in a safetensors file's header: 8 bytes that say how long it is, then JSON."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            if len(prefix := file.read(8)) < 8:
                raise _unreadable(path, f"it has {len(prefix)} bytes, and its header's length alone has 8")
            length = int.from_bytes(prefix, "little")
            if length > MAX_HEADER_BYTES:
                raise _unreadable(
                    path, f"its header claims {length} bytes, and may have {MAX_HEADER_BYTES} at most"
                )
            header = file.read(length)
        if len(header) < length:
            raise _unreadable(path, f"it ends within its header, {length} bytes long")
        tensors = json.loads(header, object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"in its header: {error}") from error
    if not isinstance(tensors, dict):
        raise _unreadable(path, f"its header holds a JSON {type(tensors).__name__}, not a dict")
    return [name for name in tensors if name != "__metadata__"]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{shown(name)} stands there twice")
        values[name] = value
    return values


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no type for what it returns
    try:
        # a mapped file counts as the process's memory: it would double the peak while loading
        return safe_open(path, framework="numpy", backend="pread")
    except TypeError:  # safetensors before 0.8 maps it
        return safe_open(path, framework="numpy")


def _unreadable(path: Path, why: object) -> CheckpointError:
    return CheckpointError(f"{path} cannot be read as safetensors: {one_line(why)}")


def _check(
    path: Path,
    expected: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[tuple[int, ...], str]],
    ignored: Collection[str],
) -> None:
    faults = [f"missing: {name}" for name in expected if name not in found]
    faults += [
        f"unexpected: {_plain(name)}" for name in found if name not in expected and name not in ignored
    ]
    for name in expected:
        if name in found:
            shape, dtype = found[name]
            if shape != expected[name]:
                faults.append(f"{name} has shape {shown(shape)}, config.json says {expected[name]}")
            if dtype not in _FLOAT_DTYPES:
                faults.append(f"{name} has dtype {dtype}, not one of {', '.join(_FLOAT_DTYPES)}")
    if faults:
        more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise CheckpointError(f"{path} does not fit its config.json: {'; '.join(faults[:8])}{more}")


def _plain(name: str) -> str:
    """A tensor's name as it is, so long as it looks like one."""
    return name if name.isprintable() and len(name) < 100 else shown(name)


def _read_bfloat16(path: Path, names: set[str]) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Tensors that numpy has no dtype for: a bfloat16 is the upper half of a float32."""
    if not names:
        return
    for name, tensor in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
        if name in names:
            upper_half = np.frombuffer(tensor["data"], dtype="<u2").astype(np.uint32)
            yield name, (upper_half << 16).view(np.float32).reshape(tensor["shape"])
