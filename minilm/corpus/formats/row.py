"""A row of the input, and the choice of the column that holds the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minilm.corpus.formats.columns import OtherColumns
from minilm.errors import CorpusError

Keep = bool | tuple[str, ...]
"""Whether the other columns are kept: all, none, or those with these names."""


class Row(NamedTuple):
    """One row of the input."""

    text: str | None  # None if the row has no text: ``problem`` then says why
    problem: str | None
    source: str
    line: int  # from 1: the line on which the row ends, or the row's number in a Parquet file
    other_columns: OtherColumns  # empty unless the corpus keeps them


class TextColumn:
    """The column that holds the text, as one pass over a corpus comes to know it.

    Without a name it is "text", or the only column of the first row that has columns.
    """

    def __init__(self, name: str | None, *, keep: Keep) -> None:
        self.name = name
        self.keep = keep
        self.is_found = False  # whether a row or a header had the column
        self.keep_names = () if isinstance(keep, bool) else keep
        self.unseen = set(self.keep_names)  # columns to keep that no row had so far
        self.example = ""  # a row with other columns only, for an error message

    def choose(self, names: Sequence[str], source: str) -> str:
        """Return the column's name; raise a CorpusError if these names do not have it or do not settle it."""
        if self.name is None:
            self.name = "text" if "text" in names else names[0] if len(names) == 1 else None
        if self.name is None or self.name not in names:
            reason = f"no column {self.name!r}" if self.name else "several columns and none called 'text'"
            raise CorpusError(f"{source} has {reason}; its columns are: {', '.join(names)} (--column NAME)")
        return self.name

    def kept(self, names: Iterable[str]) -> list[str]:
        """Return those of these columns that are kept beside the text."""
        if isinstance(self.keep, bool):
            return [name for name in names if name != self.name] if self.keep else []
        found = [name for name in names if name != self.name and name in self.keep]
        self.unseen.difference_update(found)
        return found

    def choose_from_header(self, names: Sequence[str], source: str) -> str:
        """Return the column's name; raise a CorpusError also if a name stands for two columns."""
        column = self.choose(names, source)
        self.is_found = True
        if missing := [name for name in self.keep_names if name not in names]:
            reason = f"no column {missing[0]!r} to keep; its columns are"
            raise CorpusError(f"{source} has {reason}: {', '.join(names)}")
        relevant = [column, *self.kept(names)]
        if duplicates := sorted({name for name in relevant if names.count(name) > 1}):
            raise CorpusError(f"{source} has two columns that are called {duplicates[0]!r}")
        return column


def make_row(value: object, source: str, line: int, other_columns: OtherColumns) -> Row:
    """Return a row whose text is ``value``, or whose problem says why ``value`` is not text."""
    text = problem = None
    try:
        if isinstance(value, bytes):
            text = value.decode()
        elif isinstance(value, str):
            value.encode()
            text = value
        elif value is None:
            problem = "null"
        else:
            kinds = {bool: "boolean", int: "number", float: "number"}
            problem = f"a {kinds.get(type(value), type(value).__name__)}, not text"
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 ({error.reason})"
    except UnicodeEncodeError:
        problem = "not UTF-8 (a lone surrogate)"
    return Row(text, problem, source, line, other_columns)
