"""Plain text: one text per line."""

from __future__ import annotations

from collections.abc import Iterator

from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.row import Row, TextColumn, not_utf8


def read_text(source: InputFile, column: TextColumn) -> Iterator[Row]:  # noqa: ARG001 - the readers' signature
    """Iterate over the lines of a file as rows. Only newlines end a line: other separators are text."""
    for line, content in enumerate(source.lines(), 1):
        bare = content.removesuffix(b"\n").removesuffix(b"\r")
        try:
            yield Row(bare.decode(), None, source.name, line, {})
        except UnicodeDecodeError as error:
            yield Row(None, not_utf8(error), source.name, line, {})
