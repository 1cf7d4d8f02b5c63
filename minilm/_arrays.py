"""Types of arrays, torch's tensors, an array that grows, and room for many arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from minilm.errors import import_extra

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating]  # float32, or float64 where the encoder is the oracle
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
Parameters = Mapping[str, FloatArray]  # of an encoder, by BERT's names; linear weights are (in, out)

# A decorator for public functions. Overflow, underflow and 0 / 0 give infinity, 0 and NaN, as in torch: what
# a program's np.seterr(all="raise") says of its own arithmetic does not hold here.
no_float_errors = np.errstate(all="ignore")


def rows_of(table: FloatArray, ids: IntArray, kind: str) -> FloatArray:
    """The row of each id in a table of embeddings of tokens, token types or positions.

    Raises
    ------
    ValueError
        If there is no such row. numpy would read a negative id as a row counted from the end.
    """
    if ids.size and (ids.min() < 0 or ids.max() >= len(table)):
        name = {"word": "input_ids", "token_type": "token_type_ids", "position": "positions"}[kind]
        raise ValueError(f"{name} must lie in 0 to {len(table) - 1}, not {ids.min()} to {ids.max()}")
    rows: FloatArray = table[ids]
    return rows


def is_tensor(x: object) -> bool:
    """Whether ``x`` is a tensor of torch, or a list of them. torch is not imported for it."""
    if isinstance(x, (list, tuple)) and x:
        return is_tensor(x[0])
    return type(x).__module__.partition(".")[0] == "torch" and hasattr(x, "detach")


def as_array(x: Any) -> AnyArray:  # noqa: ANN401 - whatever holds numbers
    """Return numbers as an array: also of tensors, of a generator, and of a column of vectors."""
    if isinstance(x, Iterator):
        x = list(x)
    if is_tensor(x):
        return np.stack([as_array(row) for row in x]) if isinstance(x, (list, tuple)) else _of_tensor(x)
    if hasattr(x, "to_pylist"):  # a column of pyarrow
        x = x.to_pylist()
    array = np.asanyarray(x)
    if array.dtype == object and array.ndim == 1 and all(isinstance(row, Sized) for row in array):
        array = np.array([row if isinstance(row, str) else np.asarray(row) for row in array])
    return array


def _of_tensor(tensor: Any) -> AnyArray:  # noqa: ANN401 - torch is not imported
    tensor = tensor.detach().cpu()
    tensor = tensor.to_dense() if tensor.is_sparse else tensor
    if tensor.is_floating_point() and tensor.element_size() < 4:  # numpy has no bfloat16
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def as_tensors(results: Any, as_one: bool) -> Any:  # noqa: ANN401 - what encode and predict return
    """Return results as one tensor, or else those of several inputs as a list of tensors."""
    return as_tensor([*results] if isinstance(results, np.ndarray) and not as_one else results)


def as_tensor(result: Any) -> Any:  # noqa: ANN401 - what encode and predict return
    """Return an array as a tensor of torch, and lists and dicts of arrays as those of tensors."""
    if isinstance(result, dict):
        return {name: as_tensor(value) for name, value in result.items()}
    if isinstance(result, list):
        return [as_tensor(value) for value in result]
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    torch = import_extra("torch", package="torch", feature="a result as a tensor")
    return torch.from_numpy(np.ascontiguousarray(result).reshape(result.shape))


class GrowingArray:
    """Rows that arrive in pieces, in one array that grows in place: no row is ever held twice."""

    def __init__(self, rows: int, width: int) -> None:
        self._array = np.empty((rows, width), dtype=np.float32)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def extend(self, rows: Sequence[Float32Array]) -> None:
        """Append rows."""
        needed = self._used + len(rows)
        if needed > len(self._array):
            self._resize(max(needed, 2 * len(self._array)))
        self._array[self._used : needed] = rows
        self._used = needed

    def array(self) -> Float32Array:
        """All rows, shape (n, width)."""
        if self._used < len(self._array):
            self._resize(self._used)
        return self._array

    def _resize(self, rows: int) -> None:
        # No caller has a reference yet. The check would fail under debuggers and coverage tools.
        self._array.resize((rows, self._array.shape[1]), refcheck=False)


class Room:
    """One buffer of float32 numbers for arrays that are used together, its parts.

    numpy asks Linux for huge pages only in buffers of 4 MiB and more. With ordinary ones the processor spends
    a noticeable part of a large product on looking up addresses. The buffer begins at a multiple of
    ``LINE`` numbers, a line of the cache, so that no vector register is loaded from two lines.
    """

    LINE = 16  # 64 bytes

    def __init__(self, size: int) -> None:
        buffer = np.empty(size + self.LINE, np.float32)
        start = -(buffer.__array_interface__["data"][0] // buffer.itemsize) % self.LINE
        self._free = buffer[start : start + size]

    def take(self, *shape: int) -> Float32Array:
        """Return the next part, uninitialized. Raises ValueError if there is no room for it."""
        size = math.prod(shape)
        part, self._free = self._free[:size], self._free[size:]
        return part.reshape(shape)


class Device(str):
    """The name of a device, with the attribute ``type`` of ``torch.device``."""

    type = "cpu"
