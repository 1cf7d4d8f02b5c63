"""Kept columns in Arrow: the types that all rows share, found without changing a value.

Rows of Parquet never become Python's objects: a row refers to its batch. What pyarrow would convert with a
loss is refused here, and nothing relies on pyarrow to raise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

from minilm.errors import CorpusError, import_extra, one_line

Arrow = Any  # pyarrow, or one of its schemas, tables, arrays and types

_EXACT_IN_DOUBLE = 2**53
_KINDS = {
    bool: "true or false",
    int: "numbers",
    float: "numbers",
    str: "texts",
    list: "lists",
    dict: "objects",
}


class ArrowRow(NamedTuple):
    """The kept columns of a row: one row of a batch."""

    batch: Arrow  # pyarrow.RecordBatch
    place: int


OtherColumns = Mapping[str, Any] | ArrowRow
"""The kept columns of a row: values by name as JSON has them, or a row of a batch."""


def import_arrow() -> Arrow:
    """Import pyarrow and pyarrow.parquet, or raise a MissingExtraError."""
    import_extra("pyarrow.parquet", extra="parquet", feature="Parquet")
    return import_extra("pyarrow", extra="parquet", feature="Parquet")


class UnkeptColumnError(CorpusError):
    """A column whose values no type of Arrow holds without a change: its name, and why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        remedy = "name other columns to --keep, or write .jsonl (not with --engine ray)"
        super().__init__(f"column {name!r} cannot be kept in Parquet: {reason}; {remedy}")

    def __reduce__(self) -> tuple[type[UnkeptColumnError], tuple[str, str]]:
        return type(self), (self.name, self.reason)  # the message is made of both


def check_columns(column: str, embedding_column: str, others: Collection[str] = ()) -> None:
    """Raise a CorpusError unless the columns of the text, the vector and the others have distinct names."""
    if embedding_column == column or embedding_column in others:
        reason = f"a column of the input is called {embedding_column!r}, like the column of the vectors"
        raise CorpusError(f"{reason} (--embedding-column NAME)")
    if column in others:
        raise CorpusError(f"a column to keep is called {column!r}, like the column of the texts")


def batches_of(rows: Sequence[OtherColumns]) -> Iterable[list[Mapping[str, Any]] | Arrow]:
    """Iterate over the rows in order: a batch per run of rows of one batch, else a list of mappings."""
    for is_arrow, group in groupby(rows, lambda row: id(row.batch) if isinstance(row, ArrowRow) else None):
        run: list[Any] = list(group)
        if is_arrow is None:
            yield run
        elif run[-1].place - run[0].place == len(run) - 1:
            yield run[0].batch.slice(run[0].place, len(run))
        else:  # rows between them were left out
            yield run[0].batch.take(import_arrow().array([row.place for row in run]))


def table_of(rows: Sequence[OtherColumns], texts: Sequence[str], column: str, embedding_column: str) -> Arrow:
    """Return a table of the texts, in ``column``, and the other columns, by types that fit all rows."""
    arrow = import_arrow()
    tables, done = [], 0
    for batch in batches_of(rows):
        part = {column: arrow.array(texts[done : done + len(batch)], arrow.string())}
        done += len(batch)
        if isinstance(batch, list):
            names = dict.fromkeys(chain.from_iterable(batch))
            check_columns(column, embedding_column, names)
            part |= {name: _array(name, [row.get(name) for row in batch]) for name in names}
            tables.append(arrow.table(part))
        else:
            check_columns(column, embedding_column, batch.schema.names)
            fields = [arrow.field(column, arrow.string()), *batch.schema]
            tables.append(arrow.table([part[column], *batch.columns], schema=arrow.schema(fields)))
    if len(tables) == 1:
        return tables[0]
    schema = arrow.schema([(column, arrow.string())])
    if not tables:
        return schema.empty_table()
    for table in tables:
        schema = unified(schema, table.schema, "these rows")
    return arrow.concat_tables(conformed(table, schema) for table in tables)


def _array(name: str, values: list[Any]) -> Arrow:
    """Return values of JSON as an array of the type that holds them all."""
    arrow = import_arrow()
    try:
        name.encode()
        _check_kinds(values)
        return arrow.array(values)
    except (arrow.ArrowException, ValueError, OverflowError) as error:
        raise UnkeptColumnError(name, one_line(error)) from None


def _check_kinds(values: Iterable[Any]) -> None:
    """Raise a ValueError unless one type holds all values: pyarrow would take true for 1.0."""
    present = [value for value in values if value is not None]
    types = set(map(type, present))
    if types == {int, float}:
        if inexact := [value for value in present if type(value) is int and abs(value) > _EXACT_IN_DOUBLE]:
            raise ValueError(f"it holds {inexact[0]}, which is not exact as a double, beside fractions")
    elif len(types) > 1:
        raise ValueError(
            f"it holds {' and '.join(sorted({_KINDS.get(kind, kind.__name__) for kind in types}))}"
        )
    elif types == {list}:
        _check_kinds(chain.from_iterable(present))
    elif types == {dict}:
        for name in dict.fromkeys(chain.from_iterable(present)):
            _check_kinds([value.get(name) for value in present])


def unified(schema: Arrow, other: Arrow, source: str) -> Arrow:
    """Return the schema that holds the rows of both: columns of both, by pyarrow's safe promotion.

    Raises
    ------
    CorpusError
        If a column's types in ``schema`` and ``other``, which ``source`` has, cannot be one without a loss.
    """
    if schema.equals(other):
        return schema
    arrow = import_arrow()
    fields = {field.name: field for field in schema}
    for field in other:
        name = field.name
        try:
            fields[name] = common_field(fields[name], field) if name in fields else _nullable(field)
        except arrow.ArrowException:
            types = f"it is {fields[name].type} at first, and {field.type} in {source}"
            raise UnkeptColumnError(name, types) from None
    return arrow.schema(
        [field if field.name in other.names else _nullable(field) for field in fields.values()]
    )


def common_field(first: Arrow, second: Arrow) -> Arrow:
    """Return a field whose type holds the values of both; raise an ArrowException if none does."""
    arrow = import_arrow()
    if first.type == second.type:
        return second if second.nullable else first
    if arrow.types.is_null(first.type):
        return _nullable(second)
    if arrow.types.is_null(second.type):
        return _nullable(first)
    schemas = [arrow.schema([_nullable(_decoded(field))]) for field in (first, second)]
    common = arrow.unify_schemas(schemas, promote_options="permissive").field(0)
    if any(_loses(field.type, common.type) for field in (first, second)):
        raise arrow.ArrowInvalid("a decimal number is not exact as a floating one")
    return common


def _decoded(field: Arrow) -> Arrow:
    """Return the field without a dictionary: two dictionaries may have types that differ."""
    is_dictionary = import_arrow().types.is_dictionary(field.type)
    return field.with_type(field.type.value_type) if is_dictionary else field


def _loses(kind: Arrow, common: Arrow) -> bool:
    """Whether a value of a type may change where a checked cast does not notice: decimals in floats."""
    types = import_arrow().types
    if types.is_decimal(kind):
        return bool(types.is_floating(common))
    if types.is_dictionary(kind):
        return _loses(kind.value_type, common)
    inner = [kind.field(place) for place in range(kind.num_fields)]
    if types.is_struct(kind) and types.is_struct(common):
        return any(_loses(field.type, common.field(field.name).type) for field in inner)
    outer = [common.field(place) for place in range(common.num_fields)]
    return any(_loses(a.type, b.type) for a, b in zip(inner, outer, strict=False))


def _nullable(field: Arrow) -> Arrow:
    """Return the field such that it and the fields in it may be null."""
    return field.with_type(_nullable_type(field.type)).with_nullable(True)


def _nullable_type(kind: Arrow) -> Arrow:
    arrow = import_arrow()
    if arrow.types.is_struct(kind):
        return arrow.struct([_nullable(kind.field(place)) for place in range(kind.num_fields)])
    if arrow.types.is_list(kind):
        return arrow.list_(_nullable(kind.value_field))
    if arrow.types.is_large_list(kind):
        return arrow.large_list(_nullable(kind.value_field))
    return kind


def check_writable(schema: Arrow) -> None:
    """Raise a CorpusError if a column has a type that Parquet cannot hold."""
    for field in schema:
        if _has_empty_struct(field.type):
            raise UnkeptColumnError(field.name, "its objects have no fields")


def _has_empty_struct(kind: Arrow) -> bool:
    is_empty = import_arrow().types.is_struct(kind) and not kind.num_fields
    return is_empty or any(_has_empty_struct(kind.field(place).type) for place in range(kind.num_fields))


def conformed(table: Arrow, schema: Arrow) -> Arrow:
    """Return the table by another schema that holds it: types widen, and missing columns are null.

    Raises
    ------
    CorpusError
        If a value has no exact equal in the other type.
    """
    arrow = import_arrow()
    if table.schema.equals(schema):
        return table
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(arrow.nulls(len(table), field.type))
            continue
        column = table.column(field.name)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except arrow.ArrowException as error:
            types = f"it is {column.type} and {field.type}"
            raise UnkeptColumnError(field.name, f"{types}, and {one_line(error)}") from None
    return arrow.table(columns, schema=schema)
