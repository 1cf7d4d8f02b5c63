"""The metadata of documents: the other columns of their tables, as typed columns of the table of pieces.

A column has the type that its values have: of Parquet the type there, of JSON the one that holds all values,
of CSV text. The table of pieces keeps the type that came first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from minilm.corpus.formats.columns import (
    Arrow,
    ArrowRow,
    OtherColumns,
    UnkeptColumnError,
    check_writable,
    common_field,
    import_arrow,
    table_of,
    unified,
)
from minilm.documents.table import OWN_COLUMNS
from minilm.errors import CorpusError, one_line

# The columns of LanceDB's own that a search or a merge adds to a row
_OF_LANCE = {"_distance", "_relevance_score", "_score", "_rowid", "_rowaddr", "_rowoffset"}
_OF_LANCE |= {"_row_created_at_version", "_row_last_updated_at_version"}

_REMEDY = "rename it, or leave it out: --keep NAME,NAME names the columns to keep, --no-keep keeps none"


def check_names(names: Iterable[str], source: str) -> None:
    """Raise a CorpusError for a column that cannot stand beside our own in a table of LanceDB."""
    for name in names:
        if name in OWN_COLUMNS:
            reason = "is called like a column of the pieces"
        elif name in _OF_LANCE:
            reason = "is called like a column of LanceDB"
        elif not name or set(name) & {".", "`"}:
            reason = "has a name that LanceDB does not take: it may be neither empty nor have . or `"
        else:
            continue
        raise CorpusError(f"{source}: its column {name!r} {reason}: {_REMEDY}")


def as_mapping(others: OtherColumns) -> Mapping[str, Any]:
    """Return the other columns of a row as values of Python by name."""
    if isinstance(others, ArrowRow):
        return cast("Mapping[str, Any]", others.batch.slice(others.place, 1).to_pylist()[0])
    return others


class MetadataColumns:
    """The metadata columns of an update: they get the types that hold all values as the rows come.

    Parameters
    ----------
    place : str
        The table of pieces, for messages.
    kept : pyarrow.Schema
        The metadata columns that the table has already, whose types stay.
    without : str, optional
        A column of the rows that is no metadata.

    Attributes
    ----------
    schema : pyarrow.Schema
        The columns so far, those of the table first. A column that has only nulls has no type yet.
    """

    def __init__(self, place: str, kept: Arrow, without: str | None = None) -> None:
        self._place = place
        self._without = {without}
        self._kept = kept
        self.schema = kept

    def table(self, rows: Sequence[OtherColumns], source: str) -> Arrow:
        """Return the metadata of some documents, a row each, and note its types.

        Raises
        ------
        CorpusError
            If a column is called like one of ours, or its values fit no type, or not that of the table.
        """
        names = dict.fromkeys(
            name for row in rows for name in _column_names(row) if name not in self._without
        )
        check_names(names, source)
        try:
            found = table_of(rows, [""] * len(rows), "\0text", "\0vector").select(list(names))
            check_writable(found.schema)
            found = as_kept(_decoded_columns(found), self._kept, self._place)
            self.schema = unified(self.schema, found.schema, source)
        except UnkeptColumnError as error:
            raise unkept(source, error) from None
        return found

    def new_fields(self) -> list[Arrow]:
        """Return the columns that the table of pieces lacks. One that has only nulls waits for a value."""
        is_null = import_arrow().types.is_null
        return [
            field for field in self.schema if field.name not in self._kept.names and not is_null(field.type)
        ]


def _column_names(row: OtherColumns) -> Iterable[str]:
    return cast("Iterable[str]", row.batch.schema.names) if isinstance(row, ArrowRow) else row


def _decoded_columns(table: Arrow) -> Arrow:
    """Return a table without dictionaries and views, whose types would differ from file to file."""
    arrow = import_arrow()
    for position, field in enumerate(table.schema):
        kind = field.type.value_type if arrow.types.is_dictionary(field.type) else field.type
        kind = arrow.string() if arrow.types.is_string_view(kind) else kind
        if kind != field.type:
            table = table.set_column(position, field.with_type(kind), table.column(position).cast(kind))
    return table


def as_kept(found: Arrow, kept: Arrow, place: str) -> Arrow:
    """Return a table whose columns have the types that the table at a place has, if that loses nothing.

    Raises
    ------
    UnkeptColumnError
        If a value has no exact equal in the type of its column.
    """
    arrow = import_arrow()
    for position, field in enumerate(found.schema):
        if field.name not in kept.names or field.type == kept.field(field.name).type:
            continue
        target = kept.field(field.name)
        try:
            common_field(target, field)  # raises for a text and a number, which a cast would convert
            column = found.column(position).cast(target.type)
        except arrow.ArrowException as error:
            types = f"{place} has it as {target.type}, and here it is {field.type} ({one_line(error)})"
            raise UnkeptColumnError(field.name, types) from None
        found = found.set_column(position, target, column)
    return found


def unkept(source: str, error: UnkeptColumnError) -> CorpusError:
    """Return the error about a column of a source that cannot be kept in a table of pieces."""
    return CorpusError(f"{source}: its column {error.name!r} cannot be kept: {error.reason}: {_REMEDY}")


def json_value(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Return a value as JSON has it: null for a number that is not finite, a text for times and bytes."""
    if isinstance(value, dict):
        return {str(name): json_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)
