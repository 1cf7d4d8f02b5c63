"""CSV and TSV: a header, then one text per row.

The standard library reads them row by row, so that a bad row affects no other and its line is known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.errors import CorpusError

if TYPE_CHECKING:
    from _csv import Reader


def read_csv(source: InputFile, column: TextColumn, *, delimiter: str = ",") -> Iterator[Row]:
    """Iterate over the rows of a CSV file. A quote that is never closed is a CorpusError."""
    csv.field_size_limit(2**31 - 1)  # a C long, which has 32 bits on Windows
    with source.open() as file:
        # Bytes that are not UTF-8 become lone surrogates, so that only their row is lost.
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        # strict: otherwise a quote that is never closed would turn the rest of the file into one cell
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            header = _next_cells(reader, source.name)
            if isinstance(header, Row):
                raise CorpusError(f"{header.source}, line {header.line}: {header.problem}")
            if header is None:
                return
            column.choose_from_header(header, source.name)
            while (cells := _next_cells(reader, source.name)) is not None:
                if isinstance(cells, Row):
                    yield cells
                elif cells:
                    yield _csv_row(cells, header, column, source.name, reader.line_num)
        finally:
            text.detach()  # the source closes the file


def _next_cells(reader: Reader, source: str) -> list[str] | Row | None:
    """Return the cells of the next row, a Row that says what is wrong with it, or None at the end."""
    first_line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        if "end of data" in str(error):
            reason = "a quote is opened in this row and never closed"
            raise CorpusError(f"{source}, line {first_line}: {reason}") from None
        return Row(None, f"not CSV ({error})", source, reader.line_num, {})


def _csv_row(cells: list[str], header: list[str], column: TextColumn, source: str, line: int) -> Row:
    by_name = dict(zip(header, cells, strict=False))
    others = {
        name: by_name[name].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name in column.kept(by_name)
    }
    if any(cells[len(header) :]):  # an unquoted comma in a text: nobody knows where the text ends
        return Row(None, f"{len(cells)} cells, and the header has {len(header)}", source, line, others)
    place = header.index(column.name or "")
    if place >= len(cells):
        return Row(None, f"no {column.name!r}", source, line, others)
    return make_row(cells[place], source, line, others)
