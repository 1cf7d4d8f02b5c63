"""A row of the input, and the choice of the column that holds the text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

from minilm.corpus.formats.columns import OtherColumns
from minilm.errors import CorpusError, one_line

Keep = bool | tuple[str, ...]
"""Whether the other columns are kept: all, none, or those with these names."""


class ColumnError(CorpusError):
    """A column that the caller named is not there: the caller's mistake, not a fault of the file."""


def keep_names(keep: Keep) -> tuple[str, ...]:
    """Return the columns that are named to be kept."""
    return () if isinstance(keep, bool) else keep


class Row(NamedTuple):
    """One row of the input."""

    text: str | None  # None if the row has no text: ``problem`` then says why
    problem: str | None
    source: str
    line: int  # from 1: the line on which the row ends, or the row's number in a Parquet file or a JSON array
    other_columns: OtherColumns  # empty unless the corpus keeps them


class TextColumn:
    """The column that holds the text, as one pass over a corpus comes to know it.

    Without a name it is "text", or the only column of the first row that has columns. A name is that of a
    column; if there is none, "doc.text" is a field of the column doc, and "title,text" joins two columns.

    A reader of rows that are mappings calls :meth:`row`. A reader that learns the columns first calls
    :meth:`places` once, then :meth:`joined` with the values of each row at these places.
    """

    def __init__(self, name: str | None, *, keep: Keep) -> None:
        self.name = name
        self.keep = keep
        self.unseen = set(keep_names(keep))  # columns to keep that no row had so far
        self.header: Sequence[str] = ()  # the columns of the last file whose columns are known first
        self.example = ""  # a row with other columns only, for an error message
        self._found: set[str] = set()  # parts of the text that a row or a header had

    def choose(self, fields: Iterable[str], source: str) -> str:
        """Return the column's name; without one choose it from these names, or raise a CorpusError."""
        if self.name is None:
            names = list(fields)
            self.name = "text" if "text" in names else names[0] if len(names) == 1 else None
            if self.name is None:
                raise CorpusError(
                    f"{source} has several columns and none called 'text'; "
                    f"{its_columns(names)} (--column NAME)"
                )
        return self.name

    def places(
        self,
        names: Sequence[str],
        source: str,
        fields: Mapping[str, Any] | None = None,
        *,
        more: Iterable[str] = (),
    ) -> list[tuple[str, ...]]:
        """Return where the text is in rows with these columns: for each part, the names on the way to it.

        Parameters
        ----------
        names : sequence of str
            The columns of a header or a schema.
        source : str
            The name of the file.
        fields : mapping, optional
            Maps each column that has fields to a mapping like this one, and any other to None.
        more : iterable of str
            Columns that can be kept only.

        Raises
        ------
        ColumnError
            If a part is missing.
        CorpusError
            If a part or a column to keep is there twice.
        """
        name, fields = self.choose(names, source), dict.fromkeys(names) if fields is None else fields
        places = {part: _way_to(part, fields) for part in self._parts(names)}
        if missing := [part for part, place in places.items() if place is None]:
            of = f" of {name!r}" if missing[0] != name else ""
            raise ColumnError(
                f"{source} has no column {missing[0]!r}{of}; {its_columns(names)} (--column NAME)"
            )
        self.header = names
        self._found.update(places)
        found = [place for place in places.values() if place]
        self._check_distinct([*names, *more], {place[0] for place in found}, source)
        return found

    def _check_distinct(self, names: Sequence[str], text: set[str], source: str) -> None:
        relevant = text.union(self.kept(names))
        if duplicates := sorted(name for name in relevant if names.count(name) > 1):
            raise CorpusError(f"{source} has two columns that are called {duplicates[0]!r}: rename one")

    def trimmed(self, names: Sequence[str]) -> list[str]:
        """Return a header in which a name that is asked for has no blanks around it."""
        text = {"text"} if self.name is None else {self.name, *self._parts(names)}
        wanted = text.union(keep_names(self.keep))
        return [name.strip() if name.strip() in wanted.difference(names) else name for name in names]

    def kept(self, names: Iterable[str]) -> list[str]:
        """Return those of these columns that are kept beside the text, also those of which it is a part."""
        if isinstance(self.keep, bool):
            return [name for name in names if name != self.name] if self.keep else []
        found = [name for name in names if name != self.name and name in self.keep]
        self.unseen.difference_update([*found, self.name or ""])  # the text is written anyway
        return found

    def row(self, fields: Mapping[str, Any], source: str, line: int) -> Row:
        """Return the row that has these columns."""
        name = self.choose(fields, source)
        others = {key: fields[key] for key in self.kept(fields)}
        places = {part: place for part in self._parts(fields) if (place := _way_to(part, fields))}
        self._found.update(places)
        if places:
            values = [reduce(getitem, place, fields) for place in places.values()]
            return make_row(self.joined(values), source, line, others)
        problem = f"no column {name!r}; {its_columns(fields)}"
        self.example = self.example or f"{source}, line {line}: {problem}"
        return Row(None, problem, source, line, others)

    @staticmethod
    def joined(values: Sequence[object]) -> object:
        """Return the text of its parts, joined by a space, without those that are null or empty."""
        if len(values) == 1:
            return values[0]
        present = [value for value in values if value is not None]
        if strange := [value for value in present if not isinstance(value, (str, bytes))]:
            return strange[0]
        if any(isinstance(value, bytes) for value in present):
            parts = (value if isinstance(value, bytes) else str(value).encode() for value in present)
            return b" ".join(part for part in parts if part)
        return " ".join(str(value) for value in present if value) if present else None

    def check_found(self) -> None:
        """Raise a ColumnError if no row of the whole corpus had a column that was asked for."""
        missing = [part for part in self._parts(self._found) if part not in self._found]
        if missing and (self._found or self.example):
            example = f": {self.example}" if self.example else ""
            raise ColumnError(f"no row has a column {missing[0]!r}{example} (--column NAME)")

    def _parts(self, names: Iterable[str]) -> list[str]:
        """Return the names of the columns that make up the text, in rows with these columns."""
        if self.name is None or self.name in names:
            return [self.name or ""]
        parts = [part.strip() for part in self.name.split(",")]
        return parts if all(parts) else [self.name]


def _way_to(name: str, fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the way to a column, or to a field of a column such as doc.text."""
    if name in fields:
        return (name,)
    for end in (place for place, character in enumerate(name) if character == "."):
        inner = fields.get(name[:end])
        if isinstance(inner, Mapping) and (rest := _way_to(name[end + 1 :], inner)):
            return (name[:end], *rest)
    return None


def check_partitions(kept: Iterable[str], columns: Collection[str], source: str) -> None:
    """Raise a CorpusError if a partition of a file's path that is kept is also a column of the file."""
    if twice := [name for name in kept if name in columns]:
        raise CorpusError(f"{source}: {twice[0]!r} is a column, and also a partition in the path")


def its_columns(names: Iterable[str]) -> str:
    """Return the names of columns, for an error message."""
    return one_line(f"its columns are: {', '.join(names)}")


def make_row(
    value: object, source: str, line: int, other_columns: OtherColumns, encoding: str = "UTF-8"
) -> Row:
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
        problem = f"not {encoding}" if encoding != "UTF-8" else f"not UTF-8 ({error.reason})"
    except UnicodeEncodeError:
        problem = "not UTF-8 (a lone surrogate)"
    return Row(text, problem, source, line, other_columns)
