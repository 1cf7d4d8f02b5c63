"""NumPy's .npy format: vectors only."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minilm._arrays import FloatArray
from minilm._files import sync
from minilm.corpus.formats.shard import GrowingFile, Shard
from minilm.errors import CorpusError

HEADER_BYTES = 128  # version 1.0 pads its header to 64 bytes and leaves room for the shape to grow


class NpyWriter(GrowingFile):
    """Writes the vectors after a header, which gets the number of rows at the end."""

    header = bytes(HEADER_BYTES)

    def __init__(self, folder: Path, width: int, dtype: str) -> None:
        super().__init__(folder)
        self._width = width
        self._dtype = np.dtype(dtype).newbyteorder("<")

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


def npy_vectors(path: Path, block_rows: int) -> Iterator[FloatArray]:
    """Iterate over blocks of vectors, each of shape (n, E)."""
    vectors = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it reads neither zip nor pickle
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise CorpusError(f"{path} holds {vectors.dtype} of shape {vectors.shape}, not rows of vectors")
    for start in range(0, len(vectors), block_rows):
        yield np.asarray(vectors[start : start + block_rows])
