"""CSV and TSV: a header, then one text per row.

The standard library reads them row by row, so that a bad row affects no other and its line is known.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Literal

from minilm.corpus.formats.input_file import InputFile, ReadOtherwiseError
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.errors import CorpusError

if TYPE_CHECKING:
    from _csv import Reader

_DELIMITERS = ",;|\t"
_NO_QUOTING = "--no-quoting, if quotes are text here"


def read_csv(source: InputFile, column: TextColumn, *, delimiter: str = ",") -> Iterator[Row]:
    """Iterate over the rows of a CSV file. A quote that is never closed is a CorpusError."""
    csv.field_size_limit(2**31 - 1)  # a C long, which has 32 bits on Windows
    with source.open_text("") as text:
        first_line = text.readline()
        excel = re.fullmatch(r'"?sep=(.)"?[\r\n]*', first_line)
        delimiter = _settled_delimiter(source, excel[1] if excel else None, delimiter)
        # strict: otherwise a quote that is never closed would turn the rest of the file into one cell
        quoting: Literal[0, 3] = csv.QUOTE_NONE if source.dialect.quoting is False else csv.QUOTE_MINIMAL
        lines = text if excel else chain([first_line] if first_line else [], text)
        reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=quoting)
        rows = _CsvRows(source, column, reader, delimiter, lines_before=1 if excel else 0)
        yield from rows


def _settled_delimiter(source: InputFile, of_excel: str | None, of_format: str) -> str:
    asked = source.dialect.delimiter
    if of_excel and asked not in (None, of_excel):
        raise ReadOtherwiseError(f"{source.name} begins with sep={of_excel}, and --delimiter is {asked!r}")
    return asked or of_excel or of_format


class _CsvRows:
    """The rows behind the header."""

    def __init__(
        self, source: InputFile, column: TextColumn, reader: Reader, delimiter: str, lines_before: int
    ) -> None:
        self._source = source
        self._column = column
        self._reader = reader
        self._delimiter = delimiter
        self._lines_before = lines_before

    @property
    def _line(self) -> int:
        return self._reader.line_num + self._lines_before

    def __iter__(self) -> Iterator[Row]:
        first = self._next()
        while first == []:  # blank lines before the header
            first = self._next()
        if isinstance(first, Row):
            kind = ReadOtherwiseError if _NO_QUOTING in str(first.problem) else CorpusError
            raise kind(f"{first.source}, line {first.line}: {first.problem}")
        if first is None:
            return
        self._check_delimiter(first)
        header = [str(place) for place in range(len(first))]
        if self._source.dialect.header:
            header = self._column.trimmed(first)
        if strange := [name for name in header if not _is_decoded(name)]:
            raise ReadOtherwiseError(
                f"{self._source.name}: the column {strange[0]!r} is not {self._source.encoding}: "
                "name the encoding of the file, such as --encoding cp1252"
            )
        places = [header.index(name) for (name,) in self._column.places(header, self._source.name)]
        cells: list[str] | Row | None = [] if self._source.dialect.header else first
        while cells is not None:
            if isinstance(cells, Row):
                yield cells
            elif cells:
                yield self._row(cells, header, places)
            cells = self._next()

    def _next(self) -> list[str] | Row | None:
        """Return the cells of the next row, a Row that says what is wrong with it, or None at the end."""
        first_line = self._line + 1
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            if "end of data" in str(error):
                reason = "a quote is opened in this row and never closed"
                raise ReadOtherwiseError(
                    f"{self._source.name}, line {first_line}: {reason} ({_NO_QUOTING})"
                ) from None
            if "NUL" not in str(error):  # Python 3.10 calls it an error
                return self._problem(f"not CSV ({error}; {_NO_QUOTING})")
            cells = ["\0"]
        if cells and any("\0" in cell for cell in cells):
            return self._problem("a NUL byte")
        return cells

    def _check_delimiter(self, first: list[str]) -> None:
        """Raise a CorpusError if the first row is one cell that another delimiter would divide."""
        others = [mark for mark in _DELIMITERS if mark in first[0]] if len(first) == 1 else []
        if others and not self._source.dialect.delimiter and first[0] != self._column.name:
            other, own = ("tab" if mark == "\t" else f"'{mark}'" for mark in (others[0], self._delimiter))
            raise ReadOtherwiseError(
                f"{self._source.name} has one column, {first[0][:80]!r}: --delimiter {other} divides it, "
                f"--delimiter {own} does not"
            )

    def _row(self, cells: list[str], header: list[str], places: list[int]) -> Row:
        by_name = dict(zip(header, cells, strict=False))
        others = {name: by_name[name] for name in self._column.kept(by_name)}
        if undecoded := [name for name, cell in others.items() if not _is_decoded(cell)]:
            others = {name: cell for name, cell in others.items() if name not in undecoded}
            return self._problem(f"column {undecoded[0]!r} is not {self._source.encoding}", others)
        if any(cells[len(header) :]):  # an unquoted comma in a text: nobody knows where the text ends
            return self._problem(f"{len(cells)} cells, and the header has {len(header)}", others)
        is_doubtful = self._source.dialect.quoting is None and self._delimiter == "\t"
        if is_doubtful and any("\t" in cell and ("\n" in cell or "\r" in cell) for cell in cells):
            reason = "a cell in quotes has tabs and line breaks"
            return self._problem(f"{reason} (--quoting if it is one cell; {_NO_QUOTING})", others)
        if short := [place for place in places if place >= len(cells)]:
            return self._problem(f"no {header[short[0]]!r}", others)
        text = self._column.joined([self._source.encoded(cells[place]) for place in places])
        return make_row(text, self._source.name, self._line, others, self._source.encoding)

    def _problem(self, problem: str, others: dict[str, str] | None = None) -> Row:
        return Row(None, problem, self._source.name, self._line, others or {})


def _is_decoded(cell: str) -> bool:
    return cell.isascii() or not re.search("[\ud800-\udfff]", cell)
