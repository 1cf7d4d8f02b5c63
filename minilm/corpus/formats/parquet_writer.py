"""An output in Parquet: texts, kept columns and vectors, by types that widen as the rows need it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minilm._arrays import AnyArray
from minilm._files import atomic_write, errors_named, sync
from minilm.corpus.formats.columns import (
    Arrow,
    OtherColumns,
    check_columns,
    check_writable,
    conformed,
    import_arrow,
    table_of,
    unified,
)
from minilm.corpus.formats.shard import Shard
from minilm.errors import CorpusError, one_line
from minilm.quantization import stored_type

_ROW_GROUP = 16_384  # rows that are in memory while a file is written: 24 MiB of vectors


class ArrowTables:
    """Makes tables of texts and kept columns, adds the vectors, and writes them to Parquet.

    ``schema`` is that of the text and the kept columns so far. It begins with what is known of ``kept``.
    """

    def __init__(
        self, column: str, embedding_column: str, width: int, dtype: str, kept: Arrow = None
    ) -> None:
        check_columns(column, embedding_column, kept.names if kept else ())
        arrow = import_arrow()
        with errors_named(CorpusError, f"column {column!r} cannot be written", catch=UnicodeEncodeError):
            column.encode()  # Arrow has no lone surrogates, neither in texts nor in names
        self._known = arrow.schema([(column, arrow.string()), *(kept or ())])
        self.schema = self._known
        kind, stored_width = stored_type(dtype, width)
        vector = arrow.list_(arrow.from_numpy_dtype(kind), stored_width)
        self._column = column
        self._embedding = arrow.field(embedding_column, vector)

    @property
    def output_schema(self) -> Arrow:
        """The schema of the output so far."""
        return self.schema.append(self._embedding)

    def rows(self, texts: Sequence[str], others: Sequence[OtherColumns], source: str) -> Arrow:
        """Return a table of texts and kept columns; raise a CorpusError if they cannot be kept."""
        table = table_of(others, texts, self._column, self._embedding.name)
        self.schema = unified(self.schema, table.schema, source)
        check_writable(self.schema)
        return conformed(table, self.schema)

    def with_vectors(self, table: Arrow, vectors: AnyArray) -> Arrow:
        """Return the table with the vectors (n, E) of its rows."""
        components = import_arrow().array(np.ascontiguousarray(vectors).ravel())
        column = import_arrow().FixedSizeListArray.from_arrays(components, type=self._embedding.type)
        return table.append_column(self._embedding, column)

    def take_schema(self, path: Path) -> None:
        """Widen the schema to that of a file written before."""
        found = import_arrow().parquet.read_schema(path).remove_metadata()
        self.schema = unified(self.schema, found.remove(len(found) - 1), path.name)

    def take_schemas(self, paths: Iterable[Path]) -> None:
        """Make the schema that of these files, whatever it became meanwhile."""
        self.schema = self._known
        for path in paths:
            self.take_schema(path)

    def widen(self, path: Path, temporary: Path) -> None:
        """Write a file again, unless it has the schema."""
        if not import_arrow().parquet.read_schema(path).equals(self.output_schema):
            table = import_arrow().parquet.read_table(path)
            with atomic_write(path, temporary) as file:
                self.write(file, [table])

    def check(self, paths: Iterable[Path], columns: Sequence[str]) -> None:
        """Raise a CorpusError unless the values of these columns in files fit the schema."""
        for path in paths:
            names = [name for name in columns if name in import_arrow().parquet.read_schema(path).names]
            conformed(import_arrow().parquet.read_table(path, columns=names), self.schema)

    def write(self, file: BinaryIO, tables: Iterable[Arrow]) -> None:
        """Write tables to one Parquet file, with one row group of them in memory at a time."""
        arrow, schema = import_arrow(), self.output_schema
        embedding = self._embedding.name
        others = [name for name in schema.names if name != embedding]
        options = {  # vectors neither repeat nor compress
            "compression": {**dict.fromkeys(others, "zstd"), f"{embedding}.list.element": "none"},
            "use_dictionary": others,
            "write_statistics": others,
        }
        try:
            writer = arrow.parquet.ParquetWriter(file, schema, **options)
        except arrow.ArrowException as error:  # an object without fields, for example
            reason = f"a column cannot be kept in Parquet: {one_line(error)}"
            remedy = "name other columns to --keep, or write .jsonl (not with --engine ray)"
            raise CorpusError(f"{reason}; {remedy}") from None
        with writer:
            group: list[Arrow] = []
            for table in tables:
                group.append(conformed(table, schema))
                if sum(map(len, group)) >= _ROW_GROUP:
                    writer.write_table(arrow.concat_tables(group), _ROW_GROUP * 2)
                    group = []
            if group:
                writer.write_table(arrow.concat_tables(group), _ROW_GROUP * 2)


class ParquetWriter:
    """Writes each shard to a file of its own, since a Parquet file cannot grow, and joins them at the end."""

    def __init__(self, folder: Path, tables: ArrowTables) -> None:
        self._folder = folder
        self._tables = tables

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.parquet"

    def _parts(self) -> list[Path]:
        return sorted(self._folder.glob("part-*.parquet"))

    def rewind(self, marks: Sequence[int]) -> None:
        """Remove the files of later shards, and take over the types of the others."""
        for path in self._parts():
            if int(path.stem.removeprefix("part-")) >= len(marks):
                path.unlink()
        if missing := [part for n in range(len(marks)) if not (part := self._part(n)).exists()]:
            raise CorpusError(f"{missing[0]}, whose rows were written, is missing: --overwrite starts over")
        self._tables.take_schemas(self._parts())

    def prepare(self, texts: Sequence[str], others: Sequence[OtherColumns], source: str) -> Arrow:
        """Return a table of what a shard has beside its vectors; a CorpusError says what cannot be kept."""
        before = self._tables.schema
        table = self._tables.rows(texts, others, source)
        after = self._tables.schema
        widened = [field.name for field in before if after.field(field.name).type != field.type]
        if widened:
            self._tables.check(self._parts(), widened)
        return table

    def write(self, shard: Shard) -> int:
        """Write a shard, and return its number."""
        with atomic_write(self._part(shard.number)) as file:
            self._tables.write(file, [self._tables.with_vectors(shard.prepared, shard.vectors)])
        return shard.number

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the signature of all writers
        """Join all shards, and return the file."""
        # as after an interruption: a list that was read has another name for its elements than one made here
        self._tables.take_schemas(self._parts())
        path = self._folder / "joined"
        with path.open("wb") as file:
            tables = map(import_arrow().parquet.read_table, self._parts())
            self._tables.write(file, (table for table in tables if len(table)))
            sync(file)
        return path
