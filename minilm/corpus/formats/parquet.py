"""Parquet: rows with typed columns, in one file or in a directory of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minilm._arrays import FloatArray
from minilm._files import atomic_write, errors_named, sync
from minilm.corpus.formats.input_file import STDIN, InputFile
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.corpus.formats.shard import EMBEDDING, Shard, check_columns
from minilm.errors import CorpusError, import_extra, one_line

Arrow = Any  # pyarrow, or one of its schemas, tables, arrays and types

_BATCH_ROWS = 1024  # rows that are read from a file at a time
_ROW_GROUP = 16_384  # rows that are in memory while a file is written: 24 MiB of vectors


def import_arrow() -> Arrow:
    """Import pyarrow and pyarrow.parquet, or raise a MissingExtraError."""
    import_extra("pyarrow.parquet", extra="parquet", feature="Parquet")
    return import_extra("pyarrow", extra="parquet", feature="Parquet")


def read_parquet(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a file, or over those of its span."""
    if source.path == STDIN:
        raise CorpusError("Parquet cannot be read from stdin: its index stands at the end")
    arrow = import_arrow()
    with _damage_named(source.path), arrow.parquet.ParquetFile(source.path, memory_map=True) as file:
        text = column.choose_from_header(file.schema_arrow.names, source.path)
        size, total = Path(source.path).stat().st_size, max(file.metadata.num_rows, 1)
        start, stop = source.span or (0, total)
        bounds = _group_bounds(file.metadata)
        groups = [i for i, (first, end) in enumerate(pairwise(bounds)) if first < stop and end > start]
        number = bounds[groups[0]] if groups else 0
        if column.keep:
            column.other_types |= {field.name: field.type for field in file.schema_arrow}
        columns = None if column.keep else [text]
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=columns):
            skipped = min(max(start - number, 0), len(batch))
            number += skipped
            for record in batch.slice(skipped, max(stop - number, 0)).to_pylist():
                number += 1
                source.rows_position = size * number // total
                yield make_row(record.pop(text), source.path, number, record)


def _group_bounds(metadata: Arrow) -> list[int]:
    """Return the first row of each row group, and the number of rows of the file."""
    return [0, *accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))]


def parquet_size(path: str, column: str | None) -> tuple[int, int]:
    """Return the number of rows of a file, and the uncompressed bytes of one of its columns."""
    with _damage_named(path):
        metadata = import_arrow().parquet.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    sizes = (chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == column)
    return metadata.num_rows, sum(sizes)


def _damage_named(path: str) -> AbstractContextManager[None]:
    return errors_named(CorpusError, path, catch=(import_arrow().ArrowException, OSError))


class ArrowTables:
    """Tables of one schema, that of the first rows if none is passed: text, other columns, vector."""

    def __init__(
        self, column: str, width: int, dtype: str, schema: Arrow = None, types: dict[str, Arrow] | None = None
    ) -> None:
        check_columns(column)
        self.schema = schema
        self._arrow = import_arrow()
        with errors_named(CorpusError, f"column {column!r} cannot be written", catch=UnicodeEncodeError):
            column.encode()  # Arrow has no lone surrogates, neither in texts nor in names
        self._column = column
        self._types = dict(types or {})
        self._vector = self._arrow.list_(self._arrow.from_numpy_dtype(np.dtype(dtype)), width)

    def table(self, shard: Shard) -> Arrow:
        """Return the rows of a shard; raise a CorpusError if a column does not fit the schema."""
        arrow = self._arrow
        names = list({name: None for row in shard.other_columns for name in row})  # in order of appearance
        check_columns(self._column, names)
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
        if shard.texts:  # without rows the other columns are not known yet
            self.schema = table.schema
        return table

    def _column_of(self, name: str, values: list[Any]) -> Arrow:
        kind = self._types.get(name) if self.schema is None else self.schema.field(name).type
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

    def _check_fields(self, value: object, kind: Arrow) -> None:
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

    def write(self, file: BinaryIO, tables: Iterable[Arrow]) -> None:
        """Write tables to one Parquet file, with one row group of them in memory at a time."""
        schema = self.schema_without_rows() if self.schema is None else self.schema
        others = [name for name in schema.names if name != EMBEDDING]
        options = {  # vectors neither repeat nor compress
            "compression": {**dict.fromkeys(others, "zstd"), f"{EMBEDDING}.list.element": "none"},
            "use_dictionary": others,
            "write_statistics": others,
        }
        try:
            writer = self._arrow.parquet.ParquetWriter(file, schema, **options)
        except self._arrow.ArrowException as error:  # an object without fields, for example
            reason = f"a column cannot be kept in Parquet: {one_line(error)}"
            raise CorpusError(f"{reason}; write .jsonl") from None
        with writer:
            group: list[Arrow] = []
            for table in tables:
                group.append(table)
                if sum(map(len, group)) >= _ROW_GROUP:
                    writer.write_table(self._arrow.concat_tables(group), _ROW_GROUP * 2)
                    group = []
            if group:
                writer.write_table(self._arrow.concat_tables(group), _ROW_GROUP * 2)

    def schema_without_rows(self) -> Arrow:
        """Return the schema of an output without rows: the text and the vector."""
        return self._arrow.schema([(self._column, self._arrow.string()), (EMBEDDING, self._vector)])


class ParquetWriter:
    """Writes each shard to a file of its own, since a Parquet file cannot grow, and joins them at the end."""

    def __init__(self, folder: Path, tables: ArrowTables) -> None:
        self._parquet = import_arrow().parquet
        self._folder = folder
        self._tables = tables

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.parquet"

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def rewind(self, marks: Sequence[int]) -> None:
        """Remove the files of later shards."""
        for path in self._parts():
            if int(path.stem.removeprefix("part-")) >= len(marks):
                path.unlink()
        if missing := [part for n in range(len(marks)) if not (part := self._part(n)).exists()]:
            raise CorpusError(f"{missing[0]}, whose rows were written, is missing: --overwrite starts over")
        self._tables.schema = self._schema()

    def _schema(self) -> Arrow:
        """Return the schema of the first part with rows: one without rows does not know the other columns."""
        with_rows = (part for part in self._parts() if self._parquet.read_metadata(part).num_rows)
        first = next(with_rows, None)
        return None if first is None else self._parquet.read_schema(first)

    def write(self, shard: Shard) -> int:
        """Write a shard, and return its number."""
        table = self._tables.table(shard)
        with atomic_write(self._part(shard.number)) as file:
            self._tables.write(file, [table])
        return shard.number

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the signature of all writers
        """Join all shards, and return the file."""
        # A schema that was read from a file holds more than one that was made here.
        self._tables.schema = self._schema()
        path = self._folder / "joined"
        with path.open("wb") as file:
            tables = (self._parquet.read_table(part) for part in self._parts())
            self._tables.write(file, (table for table in tables if len(table)))
            sync(file)
        return path


def parquet_files(path: Path) -> list[Path]:
    """Return the file itself, or the files of a directory in the order of their rows."""
    if not path.is_dir():
        return [path]
    if files := sorted(path.glob("*.parquet")):
        return files
    raise CorpusError(f"{path} has no Parquet files")


def parquet_vectors(path: Path, block_rows: int) -> Iterator[FloatArray]:
    """Iterate over blocks of the vectors of one file, each of shape (n, E)."""
    arrow = import_arrow()
    with arrow.parquet.ParquetFile(path, memory_map=True) as file:
        names = file.schema_arrow.names
        if EMBEDDING not in names:
            raise CorpusError(f"{path} has no column {EMBEDDING!r}, but {', '.join(names)}")
        kind = file.schema_arrow.field(EMBEDDING).type
        # a row of another length would shift the rows after it
        if not arrow.types.is_fixed_size_list(kind):
            raise CorpusError(f"{path}: column {EMBEDDING!r} is {kind}, not a list of a fixed length")
        for batch in file.iter_batches(block_rows, columns=[EMBEDDING]):
            column = batch.column(0)
            if column.null_count:
                raise CorpusError(f"{path}: column {EMBEDDING!r} has rows without a vector")
            yield column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def parquet_texts(path: Path, rows: set[int]) -> dict[int, str | None]:
    """Return the texts of these rows: the first column of strings, which is the text in what encode wrote."""
    arrow = import_arrow()
    strings = (arrow.string(), arrow.large_string())
    texts: dict[int, str | None] = {}
    previous_files = 0
    for part in parquet_files(path):
        with arrow.parquet.ParquetFile(part, memory_map=True) as file:
            names = [field.name for field in file.schema_arrow if field.type in strings]
            bounds = [previous_files + row for row in _group_bounds(file.metadata)]
            for group, (start, stop) in enumerate(pairwise(bounds)):
                if names and (here := [row for row in rows if start <= row < stop]):
                    column = file.read_row_group(group, columns=names[:1]).column(0)
                    texts |= {row: column[row - start].as_py() for row in here}
            previous_files = bounds[-1]
    return texts
