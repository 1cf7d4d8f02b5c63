"""Parquet: rows with typed columns, in one file or in a directory of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from minilm._arrays import FloatArray
from minilm._files import atomic_write, errors_named, sync
from minilm.corpus.formats.arrow import ArrowTables, import_parquet
from minilm.corpus.formats.input_file import STDIN, InputFile
from minilm.corpus.formats.row import Row, TextColumn, make_row
from minilm.corpus.formats.shard import EMBEDDING, Shard
from minilm.errors import CorpusError

_BATCH_ROWS = 1024  # rows that are read from a file at a time


def read_parquet(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a file, or over those of its span."""
    if source.path == STDIN:
        raise CorpusError("Parquet cannot be read from stdin: its index stands at the end")
    with _damage_named(source.path):
        file = import_parquet().pq.ParquetFile(source.path, memory_map=True)
    with file:
        names = file.schema_arrow.names
        text = column.choose_from_header(names, source.path)
        size, total = Path(source.path).stat().st_size, max(file.metadata.num_rows, 1)
        start, stop = source.span or (0, total)
        groups, number = _groups_between(file.metadata, start, stop)
        if column.keep:
            column.other_types |= {field.name: field.type for field in file.schema_arrow}
        batches = file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=None if column.keep else [text])
        while True:
            with _damage_named(source.path):
                batch = next(batches, None)
            if batch is None:
                return
            skipped = min(max(start - number, 0), len(batch))
            number += skipped
            for record in batch.slice(skipped, max(stop - number, 0)).to_pylist():
                number += 1
                value = record.pop(text)
                source.position = size * number // total
                yield make_row(value, source.path, number, record)


def parquet_size(path: str, column: str | None) -> tuple[int, int]:
    """Return the number of rows of a file, and the uncompressed bytes of one of its columns."""
    with _damage_named(path):
        metadata: Any = import_parquet().pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    sizes = (chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == column)
    return metadata.num_rows, sum(sizes)


def _damage_named(path: str) -> AbstractContextManager[None]:
    return errors_named(CorpusError, path, catch=(import_parquet().pa.ArrowException, OSError))


def _groups_between(metadata: Any, start: int, stop: int) -> tuple[list[int], int]:  # noqa: ANN401
    """Return the row groups that hold rows from ``start`` up to ``stop``, and the first row of the first."""
    groups: list[int] = []
    first = group_start = 0
    for group in range(metadata.num_row_groups):
        group_stop = group_start + metadata.row_group(group).num_rows
        if group_start < stop and group_stop > start:
            first = first if groups else group_start
            groups.append(group)
        group_start = group_stop
    return groups, first


class ParquetWriter:
    """Writes each shard to a file of its own, since a Parquet file cannot grow, and joins them at the end."""

    def __init__(self, folder: Path, tables: ArrowTables) -> None:
        self._parquet = import_parquet().pq
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
        if len(parts := self._parts()) < len(marks):
            missing = next(part for n in range(len(marks)) if (part := self._part(n)) not in parts)
            raise CorpusError(f"{missing}, whose rows were written, is missing: --overwrite starts over")
        self._tables.schema = self._schema()

    def _schema(self) -> Any:  # noqa: ANN401 - pyarrow.Schema
        """Return the schema of the first part with rows: one without rows does not know the other columns."""
        with_rows = (part for part in self._parts() if self._parquet.read_metadata(part).num_rows)
        first = next(with_rows, None)
        return None if first is None else self._parquet.read_schema(first)

    def write(self, shard: Shard) -> int:
        """Write a shard, and return its number."""
        previous = self._tables.schema
        table = self._tables.table(shard)
        with atomic_write(self._part(shard.number)) as file:
            self._tables.write(file, [table])
        if not shard.texts:
            self._tables.schema = previous
        return shard.number

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the protocol's argument
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
    parquet = import_parquet()
    with parquet.pq.ParquetFile(path, memory_map=True) as file:
        names = file.schema_arrow.names
        if EMBEDDING not in names:
            raise CorpusError(f"{path} has no column {EMBEDDING!r}, but {', '.join(names)}")
        kind = file.schema_arrow.field(EMBEDDING).type
        # a row of another length would shift the rows after it
        if not parquet.pa.types.is_fixed_size_list(kind):
            raise CorpusError(f"{path}: column {EMBEDDING!r} is {kind}, not a list of a fixed length")
        for batch in file.iter_batches(block_rows, columns=[EMBEDDING]):
            column = batch.column(0)
            if column.null_count:
                raise CorpusError(f"{path}: column {EMBEDDING!r} has rows without a vector")
            yield column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def parquet_texts(path: Path, rows: set[int]) -> dict[int, str | None]:
    """Return the texts of these rows: the first column of strings, which is the text in what encode wrote."""
    parquet = import_parquet()
    types = parquet.pa.types
    texts: dict[int, str | None] = {}
    start = 0
    for part in parquet_files(path):
        with parquet.pq.ParquetFile(part, memory_map=True) as file:
            fields = [
                f for f in file.schema_arrow if types.is_string(f.type) or types.is_large_string(f.type)
            ]
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                if fields and (here := [row for row in rows if start <= row < stop]):
                    column = file.read_row_group(group, columns=[fields[0].name]).column(0)
                    texts |= {row: column[row - start].as_py() for row in here}
                start = stop
    return texts
