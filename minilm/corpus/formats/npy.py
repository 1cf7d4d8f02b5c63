"""NumPy's .npy format: vectors only."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minilm._arrays import AnyArray
from minilm._files import sync
from minilm.corpus.formats.shard import GrowingFile, Shard
from minilm.errors import CorpusError
from minilm.quantization import stored_type

HEADER_BYTES = 128  # version 1.0 pads its header to 64 bytes and leaves room for the shape to grow


class NpyWriter(GrowingFile):
    """Writes the vectors after a header, which gets the number of rows at the end."""

    header = bytes(HEADER_BYTES)

    def __init__(self, folder: Path, width: int, dtype: str) -> None:
        super().__init__(folder)
        kind, self._width = stored_type(dtype, width)
        self._dtype = kind.newbyteorder("<")

    def append(self, file: BinaryIO, shard: Shard) -> None:
        """Write the vectors of a shard."""
        file.write(np.ascontiguousarray(shard.vectors, self._dtype).tobytes())

    def join(self, rows: int) -> Path:
        """Write the header, and return the file."""
        header = io.BytesIO()
        shape = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, self._width)}
        np.lib.format.write_array_header_1_0(header, shape)
        if len(header.getvalue()) != HEADER_BYTES:  # numpy would have to change its format
            raise CorpusError(f"numpy wrote a header of {len(header.getvalue())} bytes, not {HEADER_BYTES}")
        with self.path.open("r+b") as file:
            file.write(header.getvalue())
            sync(file)
        return self.path


class NpyVectors:
    """Reads blocks of vectors from a file that stays mapped: to map it again takes as long as to read it."""

    def __init__(self) -> None:
        self._vectors: AnyArray = np.empty((0, 0), np.float32)
        self._version: tuple[int, ...] = ()

    def __call__(self, path: Path, block_rows: int, _: str) -> Iterator[AnyArray]:
        """Iterate over blocks of vectors, each of shape (n, E); a CorpusError names a file that changes."""
        if _version(path) != self._version:
            self._vectors, self._version = _mapped(path), _version(path)
        # A block of a mapped file takes no memory. Threads have more to do in a large one.
        step = block_rows * 8
        for start in range(0, len(self._vectors), step):
            if _version(path) != self._version:  # to read what was cut off would end the process
                raise CorpusError(f"{path} changed while it was read")
            yield self._vectors[start : start + step]


def _version(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _mapped(path: Path) -> AnyArray:
    vectors = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it reads neither zip nor pickle
    if vectors.ndim != 2 or (vectors.dtype.kind != "f" and vectors.dtype not in (np.int8, np.uint8)):
        raise CorpusError(f"{path} holds {vectors.dtype} of shape {vectors.shape}, not rows of vectors")
    return np.asarray(vectors)
