"""JSON: an array of rows, objects one after the other on any lines, or JSON Lines.

Read by the standard library's decoder in pieces. Of ijson, the fast backend turns a lone surrogate into "?",
and none notices a key that is there twice.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, TextIO

from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.json_decoder import StrictDecoder
from minilm.corpus.formats.json_lines import json_row, rows_of_lines
from minilm.corpus.formats.row import Row, TextColumn
from minilm.errors import CorpusError

_CHUNK = 1 << 16
_BLANK = re.compile(r"[ \t\r\n]*")
_LONGEST_WORD = 12  # a number, a literal or an escape may be cut at the end of a piece; "-Infinity" has 9


def read_json_values(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a JSON file, which are numbered, or of JSON Lines, which have lines."""
    with source.open_text("\n") as text:
        values = _Values(text, source)
        first = values.next_character()
        if not first:
            raise CorpusError(f"{source.name} holds no JSON: it is empty")
        if first != "[" and not values.is_object_on_several_lines():
            lines = chain(io.StringIO(values.rest(), newline="\n"), text)
            yield from rows_of_lines(map(source.encoded, lines), source, column)
            return
        pieces = values.of_array() if first == "[" else values.in_sequence()
        for number, (value, problem) in enumerate(pieces, 1):
            yield json_row(value, problem, column, source.name, number)


class _Values:
    """The values in a text that is read piece by piece."""

    def __init__(self, text: TextIO, source: InputFile) -> None:
        self._text = text
        self._source = source
        self._decoder = StrictDecoder()
        self._buffer = ""
        self._start = 0  # of what is not decoded yet
        self._lines = 1  # up to there

    def next_character(self) -> str:
        """Skip blanks and line breaks, and return the character after them; nothing at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._start)
            self._skip(blank.end() if blank else self._start)
            if self._start < len(self._buffer) or not self._read():
                return self._buffer[self._start : self._start + 1]

    def _skip(self, end: int) -> None:
        self._lines += self._buffer.count("\n", self._start, end)
        self._start = end

    def _read(self) -> bool:
        """Read a further piece; a value that needs many doubles them, so that the time stays linear."""
        rest = self._buffer[self._start :]
        piece = self._text.read(max(_CHUNK, len(rest)))
        if piece:
            self._buffer, self._start = rest + piece, 0
        return bool(piece)

    def rest(self) -> str:
        """Return what is not decoded yet, to the end of a line."""
        return "\n" * (self._lines - 1) + self._buffer[self._start :] + self._text.readline()

    def is_object_on_several_lines(self) -> bool:
        """Whether the first line is not yet a whole value, as in JSON that is printed for people."""
        line, newline, _ = self._buffer[self._start :].partition("\n")
        if not newline or not line.startswith("{"):
            return False
        try:
            json.loads(line)
        except json.JSONDecodeError as error:
            return error.pos >= len(line.rstrip())
        except (ValueError, RecursionError):
            pass
        return False

    def of_array(self) -> Iterator[tuple[Any, str | None]]:
        """Iterate over the elements of an array, each with its problem, if any."""
        self._skip(self._start + 1)
        character = "" if self.next_character() != "]" else "]"
        while character != "]":
            yield self._value()
            character = self.next_character()
            if character not in (",", "]"):
                raise self._error("',' or ']' is expected")
            if character == ",":
                self._skip(self._start + 1)
                self.next_character()
        self._skip(self._start + 1)
        if self.next_character():
            raise self._error("the array is at its end, and something follows")

    def in_sequence(self) -> Iterator[tuple[Any, str | None]]:
        """Iterate over values with nothing but blanks and line breaks between them."""
        while self.next_character():
            yield self._value()

    def _value(self) -> tuple[Any, str | None]:
        while True:
            try:
                value, problem, end = self._decoder.decode_at(self._buffer, self._start)
            except json.JSONDecodeError as error:
                is_cut = error.pos > len(self._buffer) - _LONGEST_WORD or error.msg.startswith("Unterminated")
                if is_cut and self._read():
                    continue
                raise self._error(error.msg, error.pos) from None
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            if end > len(self._buffer) - _LONGEST_WORD and self._read():
                continue  # it may be the beginning of a longer number
            try:
                self._buffer[self._start : end].encode()
            except UnicodeEncodeError:
                problem = f"not {self._source.encoding}"
            self._skip(end)
            return value, problem

    def _error(self, reason: str, place: int | None = None) -> CorpusError:
        line = self._lines + self._buffer.count("\n", self._start, place or self._start)
        return CorpusError(f"{self._source.name}, line {line}: not JSON ({reason})")
