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
    common_field,
    import_arrow,
    table_of,
    unified,
)
from minilm.corpus.formats.json_values import mappings_of, plain, values_of
from minilm.documents.table import OWN_COLUMNS
from minilm.errors import CorpusError, one_line

# The columns of LanceDB's own that a search or a merge adds to a row
_OF_LANCE = {"_distance", "_relevance_score", "_score", "_rowid", "_rowaddr", "_rowoffset"}
_OF_LANCE |= {"_row_created_at_version", "_row_last_updated_at_version"}

# The types that LanceDB 0.40 stores, as pyarrow.types names them, and those of one width, which it stores in
# lists of one length too. It fails at all others, or changes them: each was tried, alone and inside others.
_OF_ONE_WIDTH = (
    "boolean integer floating fixed_size_binary decimal128 decimal256 date time timestamp duration"
)
_STORED = f"{_OF_ONE_WIDTH} null string large_string binary large_binary"

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


class MetadataRows:
    """The other columns of the rows of a file as values by name. A batch of Arrow is converted once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._batch: Arrow = None  # the last one
        self._rows: list[dict[str, Any]] = []

    def of(self, others: OtherColumns) -> Mapping[str, Any]:
        """Return those of a row; raise a CorpusError that names a column whose value cannot be kept."""
        if not isinstance(others, ArrowRow):
            return others
        if others.batch is not self._batch:
            self._batch, self._rows = others.batch, mappings_of(others.batch, self._values)
        return self._rows[others.place]

    def _values(self, name: str, array: Arrow) -> list[Any]:
        try:
            return metadata_values(name, array)
        except UnkeptColumnError as error:
            raise unkept(self._source, error) from None


def metadata_values(name: str, array: Arrow) -> list[Any]:
    """Return the values of a column as ``values_of`` does; raise an UnkeptColumnError if one has none."""
    try:
        return values_of(array)
    except (import_arrow().ArrowException, ValueError, OSError) as error:
        raise UnkeptColumnError(name, one_line(error)) from None


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
            found = as_kept(_storable(found), self._kept, self._place)
            self.schema = unified(self.schema, found.schema, source)
        except UnkeptColumnError as error:
            raise unkept(source, error) from None
        return found

    def new_fields(self) -> list[Arrow]:
        """Return the columns that the table of pieces lacks. One that has only nulls waits for a value.

        Raises
        ------
        CorpusError
            If the objects of a column have a field of nulls only. LanceDB fails where such an object is null.
        """
        types = import_arrow().types
        new = [
            field
            for field in self.schema
            if field.name not in self._kept.names and not types.is_null(field.type)
        ]
        for field in new:
            if _has_field_of_nulls(field.type):
                reason = f"its type {field.type} has a field without a value"
                raise unkept(self._place, UnkeptColumnError(field.name, reason))
        return new


def _has_field_of_nulls(kind: Arrow) -> bool:
    types = import_arrow().types
    if not types.is_struct(kind):
        return False
    return any(types.is_null(field.type) or _has_field_of_nulls(field.type) for field in kind)


def _column_names(row: OtherColumns) -> Iterable[str]:
    return cast("Iterable[str]", row.batch.schema.names) if isinstance(row, ArrowRow) else row


def _storable(table: Arrow) -> Arrow:
    """Return a table without dictionaries, views and extensions, whose types would differ from file to file.

    Raises
    ------
    UnkeptColumnError
        If LanceDB cannot store a type.
    """
    arrow = import_arrow()
    for position, field in enumerate(table.schema):
        kind = _decoded_type(field.type)
        if unstored := _unstored(kind):
            raise UnkeptColumnError(field.name, f"LanceDB does not store {unstored}")
        if kind == field.type:
            continue
        column = table.column(position)
        try:
            if hasattr(field.type, "storage_type"):
                column = arrow.chunked_array([plain(chunk) for chunk in column.chunks])
            column = column.cast(kind)
        except (arrow.ArrowException, ValueError) as error:
            raise UnkeptColumnError(field.name, one_line(error)) from None
        table = table.set_column(position, field.with_type(kind), column)
    return table


def _decoded_type(kind: Arrow) -> Arrow:
    """Return the plain type whose values are those of ``kind``."""
    arrow = import_arrow()
    types = arrow.types
    if hasattr(kind, "storage_type"):
        plain = {"arrow.bool8": arrow.bool_(), "arrow.uuid": arrow.string()}
        return plain.get(kind.extension_name) or _decoded_type(kind.storage_type)
    if types.is_dictionary(kind):
        return _decoded_type(kind.value_type)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return arrow.string() if types.is_string_view(kind) else arrow.binary()
    if types.is_struct(kind):
        return arrow.struct([field.with_type(_decoded_type(field.type)) for field in kind])
    for is_list, make in ((types.is_list, arrow.list_), (types.is_large_list, arrow.large_list)):
        if is_list(kind):
            return make(kind.value_field.with_type(_decoded_type(kind.value_type)))
    return kind


def _unstored(kind: Arrow) -> str:
    """Return a type inside ``kind`` that LanceDB does not store, or nothing."""
    types = import_arrow().types
    if types.is_list(kind) or types.is_large_list(kind):
        return _unstored(kind.value_type)
    if types.is_struct(kind) and kind.num_fields:
        return next(filter(None, (_unstored(field.type) for field in kind)), "")
    stored = _STORED
    if types.is_fixed_size_list(kind):
        if types.is_fixed_size_list(kind.value_type):
            return _unstored(kind.value_type)
        if kind.list_size:
            stored, kind = _OF_ONE_WIDTH, kind.value_type
    return "" if any(getattr(types, f"is_{name}")(kind) for name in stored.split()) else str(kind)


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
    """Return a value as JSON has it: null for a number that is not finite, a text for bytes and durations."""
    if isinstance(value, dict):
        return {name: json_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)
