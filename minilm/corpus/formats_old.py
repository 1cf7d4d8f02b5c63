"""Where a shard's vectors go: .npy, JSON Lines or Parquet.

The first two grow in one file, whose length at each landed shard the manifest knows; what a crash left behind
that is cut off again. A Parquet file cannot be gone on with, so that each shard is one, and all are joined at
the end.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from minilm._files import atomic_write, json_bytes, sync
from minilm.corpus.rows import _pyarrow
from minilm.errors import CorpusError, one_line

HEADER_BYTES = 128  # of .npy version 1.0, which pads to 64 and leaves room for the shape to grow
_ROW_GROUP = 16_384  # rows of the joined Parquet file that are in memory at a time: 24 MiB of vectors
EMBEDDING = "embedding"  # the column of the vectors

Vectors = npt.NDArray[np.floating]


class Shard(NamedTuple):
    """Rows that land together."""

    number: int
    texts: list[str]
    kept: list[dict[str, Any]]
    vectors: Vectors  # (n, E)


class Sink(Protocol):
    """One output format."""

    def land(self, shard: Shard) -> int:
        """Write a shard; what :meth:`rewind` is to be told of it."""

    def rewind(self, marks: Sequence[int]) -> None:
        """Forget whatever came after the shards with these marks; raise a CorpusError if they are gone."""

    def join(self, rows: int) -> Path:
        """Make the output whole, in a file that waits for its name."""


def make_sink(
    output: Path, work: Path, *, column: str, width: int, dtype: str, kept_types: Mapping[str, Any]
) -> Sink:
    """The sink for the output's name; ``kept_types`` are those of other columns, where they are known.

    Raises
    ------
    CorpusError
        If the name says no format, or Parquet is asked for without pyarrow.
    """
    if output.suffix == ".npy":
        return _Npy(work, width, dtype)
    if output.suffix in (".jsonl", ".ndjson"):
        return _JsonLines(work, column)
    if output.suffix in (".parquet", ".pq"):
        return _Parquet(work, Tables(column, width, dtype, kept_types=kept_types))
    raise CorpusError(f"the output must end in .parquet, .npy or .jsonl, not {output.name!r}")


class _Growing:
    """A file that grows shard by shard; a mark is its length."""

    head = b""

    def __init__(self, work: Path) -> None:
        self._path = work / "rows"

    def land(self, shard: Shard) -> int:
        with self._path.open("ab") as file:
            self.write(file, shard)
            sync(file)
            return file.tell()

    def rewind(self, marks: Sequence[int]) -> None:
        with self._path.open("ab") as file:
            if marks and file.tell() < marks[-1]:  # to truncate would lengthen it, by zeros
                raise CorpusError(f"{self._path} has lost rows that had landed: --overwrite begins anew")
            file.truncate(marks[-1] if marks else 0)
            if not marks:
                file.seek(0)
                file.write(self.head)

    def write(self, file: BinaryIO, shard: Shard) -> None:
        raise NotImplementedError

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the protocol's argument
        return self._path


class _Npy(_Growing):
    head = bytes(HEADER_BYTES)

    def __init__(self, work: Path, width: int, dtype: str) -> None:
        super().__init__(work)
        self._width = width
        self._dtype = np.dtype(dtype).newbyteorder("<")

    def write(self, file: BinaryIO, shard: Shard) -> None:
        file.write(np.ascontiguousarray(shard.vectors, self._dtype).tobytes())

    def join(self, rows: int) -> Path:
        header = io.BytesIO()
        shape = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, self._width)}
        np.lib.format.write_array_header_1_0(header, shape)
        if len(header.getvalue()) != HEADER_BYTES:  # numpy would have to change its format
            raise CorpusError(f"numpy wrote a header of {len(header.getvalue())} bytes, not {HEADER_BYTES}")
        with self._path.open("r+b") as file:
            file.write(header.getvalue())
            sync(file)
        return super().join(rows)


class _JsonLines(_Growing):
    def __init__(self, work: Path, column: str) -> None:
        super().__init__(work)
        self._column = column

    def write(self, file: BinaryIO, shard: Shard) -> None:
        rows = zip(shard.texts, shard.kept, shard.vectors.tolist(), strict=True)
        for text, kept, vector in rows:
            check_free(self._column, kept)
            row = {self._column: text, **kept, EMBEDDING: vector}
            file.write(json_bytes(row) + b"\n")


class Tables:
    """Shards as Arrow tables of one schema: the text, what is kept, the vector.

    Parameters
    ----------
    column : str
        What the column of the text is called.
    width : int
        Components of a vector.
    dtype : {"float32", "float16"}
    schema : pyarrow.Schema, optional
        What all shards are held to; None is that of the first.
    kept_types : mapping of str to pyarrow.DataType
        Of the other columns, where they are known before the first shard.
    """

    def __init__(
        self,
        column: str,
        width: int,
        dtype: str,
        schema: Any = None,  # noqa: ANN401
        kept_types: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._kept_types = kept_types
        self._arrow, self._parquet = _pyarrow("Parquet")
        self._column = column
        self._vector = self._arrow.list_(
            self._arrow.float16() if dtype == "float16" else self._arrow.float32(), width
        )
        self.schema = schema

    def table(self, shard: Shard) -> Any:  # noqa: ANN401 - pyarrow.Table
        """A shard's rows.

        Raises
        ------
        CorpusError
            If what is kept is not of the types that it had in the first shard, or was not there.
        """
        arrow = self._arrow
        flat = arrow.array(np.ascontiguousarray(shard.vectors).ravel())
        columns = {self._column: arrow.array(shard.texts, arrow.string())}
        names = list(_names(shard.kept)) if self.schema is None else self.schema.names[1:-1]
        check_free(self._column, _names(shard.kept))
        if late := [name for name in _names(shard.kept) if name not in names]:
            raise CorpusError(
                f"column {late[0]!r} cannot be kept: no row had it when the output's columns were chosen. "
                "Give it to the first row, if only as null, or write .jsonl"
            )
        for name in names:
            values = [row.get(name) for row in shard.kept]
            kind = self._kept_types.get(name) if self.schema is None else self.schema.field(name).type
            try:
                columns[name] = arrow.array(values, kind)
                if kind is not None:
                    for value in values:
                        self._check_fields(value, kind)
            except (arrow.ArrowException, ValueError, OverflowError) as error:
                wanted = f" as {kind}, which it was at first" if kind is not None else ""
                raise CorpusError(f"column {name!r} cannot be kept{wanted}: {error}") from None
            if columns[name].type == arrow.null():  # nothing but nulls so far: text can hold what may come
                columns[name] = columns[name].cast(arrow.string())
        columns[EMBEDDING] = arrow.FixedSizeListArray.from_arrays(flat, type=self._vector)
        table = arrow.table(columns)
        self.schema = table.schema
        return table

    def _check_fields(self, value: object, kind: Any) -> None:  # noqa: ANN401 - pyarrow.DataType
        """Raise ValueError for a field that Arrow would drop without a word: one that its type lacks."""
        if isinstance(value, dict) and self._arrow.types.is_struct(kind):
            fields = {field.name: field.type for field in kind}
            for name, inner in value.items():
                if name not in fields:
                    raise ValueError(f"there is no field {name!r}")
                self._check_fields(inner, fields[name])
        elif isinstance(value, list) and hasattr(kind, "value_type"):
            for inner in value:
                self._check_fields(inner, kind.value_type)

    def write(self, file: BinaryIO, tables: Iterable[Any]) -> None:
        """Tables joined to one Parquet file, a row group of them in memory at a time."""
        if self.schema is None:
            self.schema = self.without_rows()
        try:
            writer = self._parquet.ParquetWriter(file, self.schema, **self._how())
        except self._arrow.ArrowException as error:  # an object without fields, for one
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

    def without_rows(self) -> Any:  # noqa: ANN401 - pyarrow.Schema
        """The schema if there are no rows to tell it."""
        return self._arrow.schema([(self._column, self._arrow.string()), (EMBEDDING, self._vector)])

    def _how(self) -> dict[str, Any]:
        """Vectors neither repeat nor compress; what they are not worth is spared."""
        others = [name for name in self.schema.names if name != EMBEDDING]
        return {
            "compression": {**dict.fromkeys(others, "zstd"), f"{EMBEDDING}.list.element": "none"},
            "use_dictionary": others,
            "write_statistics": others,
        }


class _Parquet:
    def __init__(self, work: Path, tables: Tables) -> None:
        _, self._parquet = _pyarrow("Parquet")
        self._work = work
        self._tables = tables

    def _part(self, number: int) -> Path:
        return self._work / f"part-{number:06}.parquet"

    def _parts(self) -> list[Path]:
        return sorted(self._work.glob("part-*.parquet"))

    def rewind(self, marks: Sequence[int]) -> None:
        for path in self._parts():
            if int(path.stem.removeprefix("part-")) >= len(marks):
                path.unlink()
        if len(parts := self._parts()) < len(marks):
            missing = next(part for n in range(len(marks)) if (part := self._part(n)) not in parts)
            raise CorpusError(f"{missing}, whose rows had landed, is not there: --overwrite begins anew")
        self._tables.schema = self._schema()

    def _schema(self) -> Any:  # noqa: ANN401 - pyarrow.Schema
        """The schema of the first part with rows; one without does not know what will be kept."""
        with_rows = (part for part in self._parts() if self._parquet.read_metadata(part).num_rows)
        first = next(with_rows, None)
        return None if first is None else self._parquet.read_schema(first)

    def land(self, shard: Shard) -> int:
        before = self._tables.schema
        table = self._tables.table(shard)
        with atomic_write(self._part(shard.number)) as file:
            self._tables.write(file, [table])
        if not shard.texts:
            self._tables.schema = before
        return shard.number

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the protocol's argument
        # read anew: a schema from a file holds more than one made here
        self._tables.schema = self._schema()
        temporary = self._work / "joined"
        with temporary.open("wb") as file:
            tables = (self._parquet.read_table(part) for part in self._parts())
            self._tables.write(file, (table for table in tables if len(table)))
            sync(file)
        return temporary


def check_free(column: str, kept: Collection[str]) -> None:
    """Raise a CorpusError if a column that is kept has the name of that of the text."""
    if column in kept:
        raise CorpusError(f"a column that is to be kept is called {column!r}, as that of the texts is")


def _names(kept: Sequence[dict[str, Any]]) -> dict[str, None]:
    """Names of all columns, in the order in which they first come."""
    return {name: None for row in kept for name in row}
