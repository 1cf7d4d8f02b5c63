"""JSON Lines: one object, or one bare string, per line.

The standard library reads them row by row, so that a bad row affects no other and its line is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from minilm._files import json_bytes
from minilm.corpus.formats.columns import OtherColumns, check_columns
from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.json_values import json_rows
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.corpus.formats.shard import GrowingFile, Shard
from minilm.errors import one_line


def read_json_lines(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a JSON Lines file; blank lines are skipped."""
    for line, content in enumerate(source.lines(), 1):
        if not content.strip():
            continue
        try:
            value = json.loads(content.decode())
        except UnicodeDecodeError:
            yield make_row(content, source.name, line, {})
        except (ValueError, RecursionError) as error:
            yield Row(None, f"not JSON ({error})", source.name, line, {})
        else:
            if isinstance(value, dict):
                yield _object_row(value, column, source.name, line)
            else:  # a line may be the text itself
                yield make_row(value, source.name, line, {})


def _object_row(value: dict[str, Any], column: TextColumn, source: str, line: int) -> Row:
    name = column.name or column.choose(list(value), source)
    others = {key: value[key] for key in column.kept(value)}
    if name in value:
        column.is_found = True
        return make_row(value[name], source, line, others)
    problem = one_line(f"no column {name!r}; its columns are: {', '.join(value)}")
    column.example = column.example or f"{source}, line {line}: {problem}"
    return Row(None, problem, source, line, others)


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
