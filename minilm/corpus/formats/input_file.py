"""An input file: opened, decompressed, and cut to the lines of one block."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from minilm._files import errors_named
from minilm.errors import CorpusError, import_extra

STDIN = "-"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before UTF-8
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zstd": "zstd"}


class InputFile:
    """One input during one pass; ``span`` is that of :class:`minilm.corpus.rows.Corpus`."""

    def __init__(self, path: str, span: tuple[int, int] | None = None) -> None:
        self.path = path
        self.span = span
        self.name = "stdin" if path == STDIN else path
        self.lines_read = 0  # of the span
        self.rows_position = 0  # the position, as a reader estimates it that goes by rows
        self._file: BinaryIO | None = None

    @property
    def position(self) -> int:
        """Bytes of the file that were read; 0 for a pipe, which cannot tell."""
        return self._file.tell() if self._file else self.rows_position

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the input for reading, decompressed; damaged data is a CorpusError that names the file."""
        if self.path == STDIN:
            if sys.stdin is None:
                raise CorpusError("there is nothing to read: stdin is closed")
            yield cast(BinaryIO, sys.stdin.buffer)
            return
        compression, damage = compression_of(self.path), f"{self.path}: the compressed data is damaged"
        with Path(self.path).open("rb") as file:
            self._file = file if file.seekable() else None
            try:
                if compression is None:
                    yield file
                    return
                with errors_named(CorpusError, damage, when=_is_damage):
                    yield _decompressed(file, compression)
            finally:
                self._file = None

    def lines(self) -> Iterator[bytes]:
        """Iterate over the lines, or over those that begin in the span, without a byte order mark."""
        with self.open() as file:
            if self.span is None:
                lines = iter(file)
                yield from (line.removeprefix(BYTE_ORDER_MARK) for line in islice(lines, 1))
                yield from lines
                return
            start, stop = self.span
            if start:
                file.seek(start - 1)
                start += len(file.readline()) - 1
            while start < stop and (line := file.readline()):
                yield line if start else line.removeprefix(BYTE_ORDER_MARK)
                start += len(line)
                self.lines_read += 1


def compression_of(path: str) -> str | None:
    """Return the compression that a file's name tells, by fsspec's name for it."""
    return _COMPRESSIONS.get(Path(path).suffix.lower())


def _decompressed(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "zstd":
        # The reader that fsspec takes from zstandard ends a truncated file without an error.
        arrow = import_extra("pyarrow", extra="parquet", feature="zstd")
        return cast(BinaryIO, io.BufferedReader(arrow.CompressedInputStream(file, "zstd")))
    from fsspec.compression import compr

    return cast(BinaryIO, compr[compression](file, mode="rb"))


def _is_damage(error: BaseException) -> bool:
    """Whether the error of a decompressor is about the data; an errno is about the disk."""
    if isinstance(error, OSError):
        return not error.errno
    return isinstance(error, (EOFError, zlib.error)) or type(error).__name__ == "LZMAError"
