"""The rows of a corpus: which files it has, and one pass over their rows.

A row that has no text does not stop the reading. It comes as a row with a problem, and the caller decides.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

from minilm.corpus.formats.compression import compression_of
from minilm.corpus.formats.input_file import Dialect, InputFile
from minilm.corpus.formats.registry import CUTTABLE, READERS, input_format
from minilm.corpus.formats.row import ColumnError, Keep, Row, TextColumn, check_partitions, its_columns
from minilm.corpus.identity import InputRecord, WatchedInput
from minilm.corpus.paths import STDIN, InputPath, absolute, expand_inputs, file_size, is_url


@dataclass(frozen=True)
class Corpus:
    """A description of files of texts. Reading them changes nothing in it.

    Parameters
    ----------
    inputs : sequence of str or InputPath
        Files, patterns such as "data/*.csv", directories of Parquet files, and URLs that fsspec opens; "-" is
        standard input.
    format : {"text", "jsonl", "json", "csv", "tsv", "parquet"}, optional
        None goes by the name of each file; standard input is then plain text.
    column : str, optional
        The column with the text. None is "text", or the only column. If no column has this name, "doc.text"
        is a field of the column doc, and "title,text" joins columns by a space.
    keep : bool or tuple of str
        Read the other columns too: all, or those with these names.
    limit : int, optional
        Read the first rows only, so many of all inputs together.
    span : (int, int), optional
        Of the one input, read only the lines that begin in these bytes or, of a Parquet file, these rows.
        Lines are then numbered from the first of them.
    dialect : Dialect
        The encoding of text, and how CSV and TSV are written.
    exclude : sequence of Path
        Files and folders that no pattern takes, such as the output of an earlier run.

    Attributes
    ----------
    paths : tuple of str
        The files, with patterns expanded.
    formats : tuple of str
        The format of each file.
    partitions : tuple of mappings
        The values of hive partitions of each file. They are columns to keep.

    Raises
    ------
    CorpusError
        If a pattern matches nothing, or the name of a file does not tell its format.
    FileNotFoundError
        If there is no such file.
    MissingExtraError
        If the package that opens a URL is not installed.
    ValueError
        If the dialect has a setting that none of the formats knows.
    """

    inputs: Sequence[str | InputPath]
    _: KW_ONLY
    format: str | None = None
    column: str | None = None
    keep: Keep = False
    limit: int | None = None
    span: tuple[int, int] | None = None
    dialect: Dialect = field(default_factory=Dialect)
    exclude: Sequence[Path] = ()
    paths: tuple[str, ...] = field(init=False)
    formats: tuple[str, ...] = field(init=False)
    partitions: tuple[Mapping[str, str | int | None], ...] = field(init=False)

    def __post_init__(self) -> None:
        found = expand_inputs(self.inputs, self.exclude)
        object.__setattr__(self, "paths", tuple(item.path for item in found))
        object.__setattr__(self, "partitions", tuple(item.partitions for item in found))
        object.__setattr__(self, "formats", tuple(self.format or input_format(path) for path in self.paths))
        if not all(isinstance(item, InputPath) for item in self.inputs):  # parts of a checked corpus
            self.dialect.check_formats(self.formats)

    @property
    def total_bytes(self) -> int | None:
        """Bytes of all files; None if one is a pipe, such as standard input."""
        sizes = [None if path == STDIN else file_size(path) for path in self.paths]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def identity(self) -> list[InputRecord]:
        """Return what shows of these inputs without reading them."""
        return [watched.record for watched in self.watched()]

    def watched(self) -> list[WatchedInput]:
        """Return an observer for each input, that takes them to be right as they are now."""
        return [WatchedInput(path, kind) for path, kind in zip(self.paths, self.formats, strict=True)]

    def resolved(self, column: str | None) -> Corpus:
        """Return this corpus, with this column, as a process in another folder can read it."""
        pairs = zip(self.paths, self.partitions, strict=True)
        return replace(self, inputs=[InputPath(absolute(p), values) for p, values in pairs], column=column)

    def part(self, number: int, span: tuple[int, int] | None) -> Corpus:
        """Return the corpus of the rows in a span of one of the files."""
        path = InputPath(self.paths[number], self.partitions[number])
        return replace(self, inputs=[path], format=self.formats[number], span=span, limit=None)

    def is_cuttable(self, number: int) -> bool:
        """Whether a file may be cut at any newline, and read from there."""
        path, encoding = self.paths[number], self.dialect.encoding
        is_plain = compression_of(path) is None and not is_url(path) and encoding is None
        return is_plain and self.formats[number] in CUTTABLE

    def source(self, number: int) -> InputFile:
        """Return one of the files, to be read once."""
        partitions = self.partitions[number]
        return InputFile(self.paths[number], self.span, partitions=partitions, dialect=self.dialect)

    def read(self) -> CorpusReader:
        """Begin a pass over the rows."""
        return CorpusReader(self)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.read())

    def check_kept(self, unseen: Sequence[str]) -> None:
        """Raise a ColumnError if no row has one of these columns. The rows are read until each has come.

        Standard input can be read only once: there a warning has to do.
        """
        if STDIN in self.paths:
            for name in unseen:
                warnings.warn(f"no row has a column {name!r} to keep, so far", stacklevel=3)
        elif unseen:
            reader = self.read()
            if any(not reader.unseen for _ in reader):
                return
            raise ColumnError(
                f"no row has a column {reader.unseen[0]!r} to keep{reader.columns} (--keep NAME,NAME)"
            )

    def find_column(self) -> str | None:
        """Return the column with the text, as a pass chooses it; None if no input has columns.

        The files are read as far as that takes. Not for standard input, which can be read only once.
        """
        column = TextColumn(self.column, keep=self.keep)
        for number, kind in enumerate(self.formats):
            if kind == "text":
                continue
            rows = READERS[kind](self.source(number), column)
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
    def columns(self) -> str:
        """The columns of the last file that tells them first, for an error message."""
        names = self._column.header
        return f"; {its_columns(names)}" if names else ""

    @property
    def inputs(self) -> list[InputRecord]:
        """The inputs, with the rows that were read so far."""
        return [watched.record for watched in self._inputs]

    def check_unchanged(self) -> None:
        """Raise a CorpusError if an input from which rows came since the last call is not as it was."""
        for watched in self._inputs[self._unchecked : self._current + 1]:
            watched.check_unchanged()
        self._unchecked = self._current

    def read_all(self) -> list[InputRecord]:
        """Read the rows that are left, and return the inputs with what was read from each."""
        deque(self, maxlen=0)
        return self.inputs

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows, up to the limit."""
        limit = self._corpus.limit
        return islice(self._rows(), None if limit is None else min(limit, sys.maxsize))

    def _rows(self) -> Iterator[Row]:
        corpus, previous_files = self._corpus, 0
        for number, watched in enumerate(self._inputs):
            self._current = number
            source = corpus.source(number)
            for row in self._rows_of(source, watched.format):
                self.position = previous_files + source.position
                watched.add(row)
                yield row
            watched.check_unchanged()
            self.lines = source.lines_read
            previous_files += watched.bytes
            self.position = previous_files
        if not corpus.span:  # a block may well have no row with the column
            self._column.check_found()

    def _rows_of(self, source: InputFile, kind: str) -> Iterator[Row]:
        """Iterate over the rows of a file, with the values that its path gives."""
        rows = READERS[kind](source, self._column)
        partitions = {name: source.partitions[name] for name in self._column.kept(source.partitions)}
        if kind == "parquet" or not partitions:  # the columns of Parquet are not those of a single row
            return rows
        return (row._replace(other_columns=_others_with(row, partitions)) for row in rows)


def _others_with(row: Row, partitions: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(cast("Mapping[str, Any]", row.other_columns))
    check_partitions(partitions, columns, row.source)
    return {**columns, **partitions}
