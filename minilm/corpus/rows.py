"""The rows of a corpus: which files it has, and one pass over their rows.

A row that has no text does not stop the reading. It comes as a row with a problem, and the caller decides.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from minilm.corpus.formats.input_file import STDIN, InputFile
from minilm.corpus.formats.registry import READERS, input_format
from minilm.corpus.formats.row import Keep, Row, TextColumn
from minilm.errors import CorpusError


@dataclass(frozen=True)
class Corpus:
    """A description of files of texts. Reading them changes nothing in it.

    Parameters
    ----------
    inputs : sequence of str
        Files and patterns such as "data/*.csv"; "-" is standard input.
    format : {"text", "jsonl", "csv", "tsv", "parquet"}, optional
        None goes by the name of each file; standard input is then plain text.
    column : str, optional
        The column with the text. None is "text", or the only column.
    keep : bool or tuple of str
        Read the other columns too: all, or those with these names.
    limit : int, optional
        Read the first rows only, so many of all inputs together.
    span : (int, int), optional
        Of the one input, read only the lines that begin in these bytes or, of a Parquet file, these rows.
        Lines are then numbered from the first of them.

    Attributes
    ----------
    paths : tuple of str
        The files, with patterns expanded.
    formats : tuple of str
        The format of each file.

    Raises
    ------
    CorpusError
        If a pattern matches nothing, or the name of a file does not tell its format.
    FileNotFoundError
        If there is no such file.
    """

    inputs: Sequence[str]
    _: KW_ONLY
    format: str | None = None
    column: str | None = None
    keep: Keep = False
    limit: int | None = None
    span: tuple[int, int] | None = None
    paths: tuple[str, ...] = field(init=False)
    formats: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        paths = tuple(path for pattern in self.inputs for path in _expand(pattern))
        object.__setattr__(self, "paths", paths)
        object.__setattr__(self, "formats", tuple(self.format or input_format(path) for path in paths))

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all files; None if one is a pipe, such as standard input."""
        if any(path == STDIN or not Path(path).is_file() for path in self.paths):
            return None
        return sum(Path(path).stat().st_size for path in self.paths)

    def identity(self) -> list[list[Any]]:
        """Return what distinguishes these inputs from others: names, sizes and times of change."""
        rows: list[list[Any]] = [[path, kind] for path, kind in zip(self.paths, self.formats, strict=True)]
        for row in rows:
            if row[0] != STDIN:
                stat = Path(row[0]).stat()
                row[0] = str(Path(row[0]).resolve())
                row += [stat.st_size, stat.st_mtime_ns]
        return rows

    def read(self) -> CorpusReader:
        """Begin a pass over the rows."""
        return CorpusReader(self)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.read())

    def find_column(self) -> str | None:
        """Return the column with the text, as a pass chooses it; None if no input has columns.

        The files are read as far as that takes. Not for standard input, which can be read only once.
        """
        column = TextColumn(self.column, keep=self.keep)
        for path, kind in zip(self.paths, self.formats, strict=True):
            if kind != "text":
                rows = READERS[kind](InputFile(path, self.span), column)
                while column.name is None and next(rows, None) is not None:
                    pass
        return column.name


class CorpusReader:
    """One pass over the rows of all inputs: ``position`` is in bytes, ``lines`` are those of the span."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._column = TextColumn(corpus.column, keep=corpus.keep)
        self._digest: hashlib._Hash | None = None
        self.position = 0
        self.lines = 0

    @property
    def column(self) -> str | None:
        """The column with the text; None before a row with columns was read."""
        return self._column.name

    @property
    def unseen(self) -> list[str]:
        """The columns to keep that no row had so far."""
        return sorted(self._column.unseen)

    @property
    def stdin_sha256(self) -> str:
        """The sha256 in hexadecimal of the rows that came from standard input; empty if none came."""
        return self._digest.hexdigest() if self._digest else ""

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows, up to the limit."""
        return islice(self._rows(), self._corpus.limit)

    def _rows(self) -> Iterator[Row]:
        corpus, previous_files = self._corpus, 0
        for path, kind in zip(corpus.paths, corpus.formats, strict=True):
            source = InputFile(path, corpus.span)
            for row in READERS[kind](source, self._column):
                self.position = previous_files + source.position
                if path == STDIN:
                    content = repr((row.text, row.problem, row.other_columns))
                    self._digest = self._digest or hashlib.sha256()
                    self._digest.update(content.encode("utf-8", "surrogatepass"))
                yield row
            self.lines = source.lines_read
            previous_files += 0 if path == STDIN else Path(path).stat().st_size
            self.position = previous_files
        column = self._column
        if column.example and not column.is_found and not corpus.span:  # a block may well have none
            raise CorpusError(f"no row has a column {column.name!r}: {column.example} (--column NAME)")


def _expand(pattern: str) -> list[str]:
    if pattern == STDIN or Path(pattern).exists():
        return [pattern]
    if not glob.has_magic(pattern):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), pattern)
    if paths := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - patterns may be absolute
        return paths
    raise CorpusError(f"no file matches {pattern!r}")
