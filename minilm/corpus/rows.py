"""The rows of a corpus: which files it has, and one pass over their rows.

A row that has no text does not stop the reading. It comes as a row with a problem, and the caller decides.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from pathlib import Path

from minilm.corpus.formats.input_file import STDIN, InputFile
from minilm.corpus.formats.registry import READERS, input_format
from minilm.corpus.formats.row import Keep, Row, TextColumn
from minilm.corpus.identity import InputRecord, WatchedInput
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
    exclude : sequence of Path
        Files and folders that no pattern takes, such as the output of an earlier run.

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
    exclude: Sequence[Path] = ()
    paths: tuple[str, ...] = field(init=False)
    formats: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        paths = tuple(path for pattern in self.inputs for path in _expand(pattern, self.exclude))
        object.__setattr__(self, "paths", paths)
        object.__setattr__(self, "formats", tuple(self.format or input_format(path) for path in paths))

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all files; None if one is a pipe, such as standard input."""
        if any(path == STDIN or not Path(path).is_file() for path in self.paths):
            return None
        return sum(Path(path).stat().st_size for path in self.paths)

    def identity(self) -> list[InputRecord]:
        """Return what shows of these inputs without reading them."""
        return [watched.record for watched in self.watched()]

    def watched(self) -> list[WatchedInput]:
        """Return an observer for each input, that takes them to be right as they are now."""
        return [WatchedInput(path, kind) for path, kind in zip(self.paths, self.formats, strict=True)]

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
        self._inputs = corpus.watched()
        self._current = self._unchecked = 0  # places among the inputs
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
    def inputs(self) -> list[InputRecord]:
        """The inputs, with the rows that were read so far."""
        return [watched.record for watched in self._inputs]

    def check_unchanged(self) -> None:
        """Raise a CorpusError if an input from which rows came since the last call is not as it was."""
        for watched in self._inputs[self._unchecked : self._current + 1]:
            watched.check_unchanged()
        self._unchecked = self._current

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows, up to the limit."""
        return islice(self._rows(), self._corpus.limit)

    def _rows(self) -> Iterator[Row]:
        corpus, previous_files = self._corpus, 0
        for number, watched in enumerate(self._inputs):
            self._current = number
            source = InputFile(watched.path, corpus.span)
            for row in READERS[watched.format](source, self._column):
                self.position = previous_files + source.position
                watched.add(row)
                yield row
            watched.check_unchanged()
            self.lines = source.lines_read
            previous_files += watched.bytes
            self.position = previous_files
        column = self._column
        if column.example and not column.is_found and not corpus.span:  # a block may well have none
            raise CorpusError(f"no row has a column {column.name!r}: {column.example} (--column NAME)")


def _expand(pattern: str, exclude: Sequence[Path]) -> list[str]:
    if pattern == STDIN or Path(pattern).exists():
        return [pattern]
    if not glob.has_magic(pattern):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), pattern)
    paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - patterns may be absolute
    if found := [path for path in paths if not is_within(path, exclude)]:
        return found
    but = f" but {paths[0]}, which belongs to the output" if paths else ""
    raise CorpusError(f"no file matches {pattern!r}{but}")


def is_within(path: str, places: Sequence[Path]) -> bool:
    """Whether a path is one of these files or lies in one of these folders, links followed."""
    resolved = Path(path).resolve()
    return any(resolved.is_relative_to(place.resolve()) for place in places)
