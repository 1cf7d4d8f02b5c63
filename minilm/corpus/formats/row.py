"""A row of the input, and the choice of the column that holds the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from minilm.errors import CorpusError


class Row(NamedTuple):
    """One row of the input."""

    text: str | None  # None if the row has no text: ``problem`` then says why
    problem: str | None
    source: str
    line: int  # from 1: the line on which the row ends, or the row's number in a Parquet file
    other_columns: dict[str, Any]  # empty unless the corpus keeps them


class TextColumn:
    """The column that holds the text, as one pass over a corpus comes to know it.

    Attributes
    ----------
    name : str or None
        Unless it is given, "text" or the only column of the first row that has columns.
    is_found : bool
        Whether a row or a header had the column.
    example : str
        A row that has columns but not this one, for an error message; empty if there was none.
    other_types : dict of str to pyarrow.DataType
        Types of the other columns, from the Parquet files read so far.
    """

    def __init__(self, name: str | None, *, keep: bool) -> None:
        self.name = name
        self.keep = keep
        self.is_found = False
        self.example = ""
        self.other_types: dict[str, Any] = {}

    def choose(self, names: Sequence[str], source: str) -> str:
        """Return the column's name; raise a CorpusError if these names do not have it or do not settle it."""
        if self.name is None:
            self.name = "text" if "text" in names else names[0] if len(names) == 1 else None
        if self.name is None or self.name not in names:
            reason = f"no column {self.name!r}" if self.name else "several columns and none called 'text'"
            raise CorpusError(f"{source} has {reason}; its columns are: {', '.join(names)} (--column NAME)")
        return self.name

    def choose_from_header(self, names: Sequence[str], source: str) -> str:
        """Return the column's name; raise a CorpusError also if a name stands for two columns."""
        column = self.choose(names, source)
        self.is_found = True
        relevant = names if self.keep else [column]
        if duplicates := sorted({name for name in relevant if names.count(name) > 1}):
            raise CorpusError(f"{source} has two columns that are called {duplicates[0]!r}")
        return column


def make_row(value: object, source: str, line: int, other_columns: dict[str, Any]) -> Row:
    """Return a row whose text is ``value``, or whose problem says why ``value`` is not text."""
    text: str | None = None
    problem: str | None = None
    if isinstance(value, str):
        try:
            value.encode()
            text = value
        except UnicodeEncodeError:
            problem = "not UTF-8 (a lone surrogate)"
    elif isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            problem = not_utf8(error)
    elif value is None:
        problem = "null"
    elif isinstance(value, bool):
        problem = "a boolean, not text"
    elif isinstance(value, (int, float)):
        problem = "a number, not text"
    else:
        problem = f"a {type(value).__name__}, not text"
    return Row(text, problem, source, line, other_columns)


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return the problem of a row whose bytes are not UTF-8."""
    return f"not UTF-8 ({error.reason})"
