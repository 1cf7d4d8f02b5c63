"""One copy of the parameters for the processes that multiprocessing starts anew (spawn and forkserver).

A forked process reads its parent's memory. A new one would get a copy of the parameters through a pipe. On
Linux it gets a file in memory instead, which all of them map.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minilm._arrays import Float32Array
from minilm.fast.parameters import PackedParameters

LINE = 64  # bytes: each array begins at a line of the cache


class FilePart(NamedTuple):
    """Where in the file an array lies."""

    offset: int  # in bytes
    shape: tuple[int, ...]


class SharedParameters:
    """Parameters in a file in memory; multiprocessing makes :class:`PackedParameters` of it in a new process.

    Raises OSError if there is no such file to be had.
    """

    def __init__(self, parameters: PackedParameters) -> None:
        self._file = os.memfd_create("minilm")
        weakref.finalize(self, os.close, self._file)
        with open(self._file, "wb", closefd=False) as file:

            def placed(array: Float32Array) -> FilePart:
                file.seek(-(-file.tell() // LINE) * LINE)
                place = FilePart(file.tell(), array.shape)
                file.write(np.ascontiguousarray(array).data)
                return place

            self._places = _with_each(parameters, np.ndarray, placed)
        self.parameters: PackedParameters = _parameters_in(self._file, self._places)

    def __reduce__(self) -> tuple[Callable[..., PackedParameters], tuple[Any, Any]]:
        from multiprocessing.reduction import DupFd

        return _received, (DupFd(self._file), self._places)


def starts_a_process() -> bool:
    """Whether this thread pickles for a new process of multiprocessing, where files in memory exist."""
    context = sys.modules.get("multiprocessing.context")
    return hasattr(os, "memfd_create") and context is not None and context.get_spawning_popen() is not None


def _received(descriptor: Any, places: Any) -> PackedParameters:  # noqa: ANN401 - multiprocessing has no types
    file = descriptor.detach()
    try:
        return _parameters_in(file, places)
    finally:
        os.close(file)


def _parameters_in(file: int, places: Any) -> PackedParameters:  # noqa: ANN401 - parameters, with places for arrays
    """Return the parameters whose arrays lie in a file, read-only."""
    memory = mmap.mmap(file, 0, access=mmap.ACCESS_READ)

    def array(place: FilePart) -> Float32Array:
        numbers = np.frombuffer(memory, np.float32, math.prod(place.shape), place.offset)
        return numbers.reshape(place.shape)

    return _with_each(places, FilePart, array)


def _with_each(value: Any, kind: type, change: Callable[[Any], object]) -> Any:  # noqa: ANN401 - any of their fields
    """Return nested lists and named tuples again, with what ``change`` makes of each part of one kind."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, list):
        return [_with_each(part, kind, change) for part in value]
    if hasattr(value, "_fields"):
        return type(value)(*(_with_each(part, kind, change) for part in value))
    return value
