"""Shards as Arrow tables of one schema, and the Parquet files that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minilm._files import errors_named
from minilm.corpus.formats.shard import EMBEDDING, Shard, check_text_name
from minilm.errors import CorpusError, import_extra, one_line

_ROW_GROUP = 16_384  # rows of a Parquet file that are in memory at a time: 24 MiB of vectors


class ArrowTables:
    """Tables with the text, the other columns and the vector of each row.

    All tables have one schema: the one that is passed, or that of the first table. ``other_types`` are types
    of the other columns (pyarrow.DataType), where they are known before.
    """

    def __init__(
        self,
        column: str,
        width: int,
        dtype: str,
        schema: Any = None,  # noqa: ANN401
        other_types: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.schema = schema
        self._arrow = import_parquet().pa
        with errors_named(CorpusError, f"column {column!r} cannot be written", catch=UnicodeEncodeError):
            column.encode()  # Arrow has no lone surrogates, neither in texts nor in names
        self._column = column
        self._other_types = other_types
        self._vector = self._arrow.list_(self._arrow.from_numpy_dtype(np.dtype(dtype)), width)

    def table(self, shard: Shard) -> Any:  # noqa: ANN401 - pyarrow.Table
        """Return the rows of a shard; raise a CorpusError if a column does not fit the schema."""
        arrow = self._arrow
        names = list({name: None for row in shard.other_columns for name in row})  # in order of appearance
        check_text_name(self._column, names)
        if self.schema is not None:
            expected = self.schema.names[1:-1]
            if new := [name for name in names if name not in expected]:
                raise CorpusError(
                    f"column {new[0]!r} cannot be kept: no row had it when the output's columns were chosen. "
                    "Give it to the first row, if only as null, or write .jsonl"
                )
            names = expected
        columns = {self._column: arrow.array(shard.texts, arrow.string())}
        for name in names:
            columns[name] = self._column_of(name, [row.get(name) for row in shard.other_columns])
        components = arrow.array(np.ascontiguousarray(shard.vectors).ravel())
        columns[EMBEDDING] = arrow.FixedSizeListArray.from_arrays(components, type=self._vector)
        table = arrow.table(columns)
        self.schema = table.schema
        return table

    def _column_of(self, name: str, values: list[Any]) -> Any:  # noqa: ANN401 - pyarrow.Array
        kind = self._other_types.get(name) if self.schema is None else self.schema.field(name).type
        try:
            name.encode()
            column = self._arrow.array(values, kind)
            if kind is not None:
                for value in values:
                    self._check_fields(value, kind)
        except (self._arrow.ArrowException, ValueError, OverflowError) as error:
            first = f" as {kind}, which it was at first" if kind is not None else ""
            raise CorpusError(f"column {name!r} cannot be kept{first}: {error}") from None
        if column.type == self._arrow.null():  # only nulls so far: strings can hold whatever follows
            return column.cast(self._arrow.string())
        return column

    def _check_fields(self, value: object, kind: Any) -> None:  # noqa: ANN401 - pyarrow.DataType
        """Raise ValueError for a field that the type lacks: Arrow would drop it silently."""
        if isinstance(value, dict) and self._arrow.types.is_struct(kind):
            fields = {field.name: field.type for field in kind}
            for name, item in value.items():
                if name not in fields:
                    raise ValueError(f"there is no field {name!r}")
                self._check_fields(item, fields[name])
        elif isinstance(value, list) and hasattr(kind, "value_type"):
            for item in value:
                self._check_fields(item, kind.value_type)

    def write(self, file: BinaryIO, tables: Iterable[Any]) -> None:
        """Write tables to one Parquet file, with one row group of them in memory at a time."""
        if self.schema is None:
            self.schema = self.schema_without_rows()
        try:
            writer = import_parquet().pq.ParquetWriter(file, self.schema, **self._compression())
        except self._arrow.ArrowException as error:  # an object without fields, for example
            raise CorpusError(
                f"a column cannot be kept in Parquet: {one_line(error)}; write .jsonl"
            ) from None
        with writer:
            group: list[Any] = []
            for table in tables:
                group.append(table)
                if sum(map(len, group)) >= _ROW_GROUP:
                    writer.write_table(self._arrow.concat_tables(group), _ROW_GROUP * 2)
                    group = []
            if group:
                writer.write_table(self._arrow.concat_tables(group), _ROW_GROUP * 2)

    def schema_without_rows(self) -> Any:  # noqa: ANN401 - pyarrow.Schema
        """Return the schema of an output without rows: the text and the vector."""
        return self._arrow.schema([(self._column, self._arrow.string()), (EMBEDDING, self._vector)])

    def _compression(self) -> dict[str, Any]:
        """Return the writer's options: vectors neither repeat nor compress."""
        others: Sequence[str] = [name for name in self.schema.names if name != EMBEDDING]
        return {
            "compression": {**dict.fromkeys(others, "zstd"), f"{EMBEDDING}.list.element": "none"},
            "use_dictionary": others,
            "write_statistics": others,
        }


class ArrowModules(NamedTuple):
    """The modules ``pyarrow`` and ``pyarrow.parquet``."""

    pa: Any
    pq: Any


def import_parquet() -> ArrowModules:
    """Import pyarrow, or raise a MissingExtraError."""
    pa, pq = (
        import_extra(name, extra="parquet", feature="Parquet") for name in ("pyarrow", "pyarrow.parquet")
    )
    return ArrowModules(pa, pq)
