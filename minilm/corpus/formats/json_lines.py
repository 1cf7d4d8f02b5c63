"""JSON Lines: one object, or one bare string, per line.

The standard library reads them row by row, so that a bad row affects no other and its line is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from minilm._files import json_bytes
from minilm.corpus.formats.columns import OtherColumns, check_columns
from minilm.corpus.formats.input_file import InputFile, ReadOtherwiseError
from minilm.corpus.formats.json_decoder import StrictDecoder
from minilm.corpus.formats.json_values import json_rows
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.corpus.formats.shard import GrowingFile, Shard


def read_json_lines(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a JSON Lines file; blank lines are skipped."""
    return rows_of_lines(source.lines(), source, column)


def rows_of_lines(lines: Iterable[bytes], source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of lines, in UTF-8, of an input; blank lines are skipped."""
    decoder, is_first = StrictDecoder(), not source.span or not source.span[0]
    for line, content in enumerate(lines, 1):
        if not content.strip(b" \t\r\n"):
            continue
        if is_first:
            _check_first_line(content, source.name)
            is_first = False
        try:
            value, problem = decoder.decode(content.decode())
        except UnicodeDecodeError:
            yield make_row(content, source.name, line, {}, source.encoding)
        except ValueError as error:
            yield Row(None, f"not JSON ({error})", source.name, line, {})
        except RecursionError:
            yield Row(None, "JSON that is nested too deeply", source.name, line, {})
        else:
            yield json_row(value, problem, column, source.name, line)


def _check_first_line(content: bytes, source: str) -> None:
    """Raise a CorpusError if the first line shows that rows are not lines."""
    if content.lstrip().startswith(b"["):
        raise ReadOtherwiseError(f"{source} is a JSON array, not JSON Lines: --format json reads it")
    if content.strip() == b"{":
        raise ReadOtherwiseError(
            f"{source} has objects on several lines, not JSON Lines: --format json reads it"
        )


def json_row(value: Any, problem: str | None, column: TextColumn, source: str, line: int) -> Row:  # noqa: ANN401
    """Return the row that a value of JSON is: an object with columns, or the text itself."""
    if problem is not None:
        return Row(None, problem, source, line, {})
    if isinstance(value, dict):
        return column.row(value, source, line)
    return make_row(value, source, line, {})


class JsonLinesWriter(GrowingFile):
    """Writes one object per row: the text, the other columns, the vector."""

    def __init__(self, folder: Path, column: str, embedding_column: str) -> None:
        check_columns(column, embedding_column)
        super().__init__(folder)
        self._column = column
        self._embedding_column = embedding_column

    def prepare(
        self,
        texts: Sequence[str],
        others: Sequence[OtherColumns],
        source: str,  # noqa: ARG002 - for a writer whose columns have types
    ) -> list[dict[str, Any]]:
        """Return objects of a shard's texts and kept columns; a CorpusError says what JSON cannot hold."""
        rows = json_rows(others)
        for row in rows:
            check_columns(self._column, self._embedding_column, row)
        return [{self._column: text, **row} for text, row in zip(texts, rows, strict=True)]

    def append(self, file: BinaryIO, shard: Shard) -> None:
        """Write the rows of a shard."""
        for row, vector in zip(shard.prepared, shard.vectors.tolist(), strict=True):
            file.write(json_bytes({**row, self._embedding_column: vector}) + b"\n")
