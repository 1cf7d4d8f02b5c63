"""Parquet: rows with typed columns, which stay in Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

from minilm._files import errors_named
from minilm.corpus.formats.columns import Arrow, ArrowRow, import_arrow
from minilm.corpus.formats.compression import compression_of
from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.int96 import int96_unit
from minilm.corpus.formats.row import Row, TextColumn, check_partitions, make_row
from minilm.corpus.paths import STDIN
from minilm.errors import CorpusError

_BATCH_ROWS = 1024  # rows that are read from a file at a time


def read_parquet(source: InputFile, column: TextColumn) -> Iterator[Row]:
    """Iterate over the rows of a file, or over those of its span."""
    with _opened(source) as file:
        size, metadata = file.seek(0, 2), _metadata(file)
        places, kept = _columns(metadata, source, column)
        with _parquet_file(file, metadata, kept) as opened:
            # the number of rows in the footer may be wrong; those of the row groups are what is read
            bounds = group_bounds(metadata)
            start, stop = source.span or (0, bounds[-1])
            groups = [i for i, (first, end) in enumerate(pairwise(bounds)) if first < stop and end > start]
            number = bounds[groups[0]] if groups else 0
            columns = list(dict.fromkeys([*(place[0] for place in places), *kept]))
            for batch in opened.iter_batches(_BATCH_ROWS, row_groups=groups, columns=columns):
                skipped = min(max(start - number, 0), len(batch))
                number += skipped
                part = batch.slice(skipped, max(stop - number, 0))
                others = _append_partitions(part.select(kept), source, column.kept(source.partitions))
                values = zip(*(_values_at(part, place) for place in places), strict=True)
                for index, value in enumerate(map(column.joined, values)):
                    number += 1
                    source.rows_position = size * number // bounds[-1]
                    yield make_row(value, source.path, number, ArrowRow(others, index))


def _metadata(file: BinaryIO) -> Arrow:
    return import_arrow().parquet.read_metadata(file)


def _columns(
    metadata: Arrow, source: InputFile, column: TextColumn
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return where the text is in a file, and the columns of the file that are kept."""
    schema = metadata.schema.to_arrow_schema()
    check_partitions(column.kept(source.partitions), schema.names, source.name)
    places = column.places(schema.names, source.name, _fields(schema), more=source.partitions)
    return places, [name for name in column.kept(schema.names) if name not in source.partitions]


def _fields(parent: Arrow) -> dict[str, Any]:
    """Return the names of the columns of a schema, or the fields of a struct, each with its own fields."""
    is_struct = import_arrow().types.is_struct
    return {field.name: _fields(field.type) if is_struct(field.type) else None for field in parent}


def _values_at(batch: Arrow, place: tuple[str, ...]) -> list[Any]:
    """Return the values of a column, or of a field of one."""
    array = batch.column(place[0])
    if len(place) > 1:
        array = import_arrow().compute.struct_field(array, list(place[1:]))
    try:
        return list(array.to_pylist())
    except (ValueError, OverflowError, KeyError):  # Python has no such text or time, or no such time zone
        arrow, kind = import_arrow(), array.type
        if arrow.types.is_string(kind) or arrow.types.is_large_string(kind):
            return list(array.cast(arrow.large_binary()).to_pylist())  # who decodes them names the row
        return [kind if is_valid else None for is_valid in array.is_valid().to_pylist()]  # none is a text


def _append_partitions(batch: Arrow, source: InputFile, names: Sequence[str]) -> Arrow:
    """Return a batch with the values that the path gives as further columns."""
    arrow = import_arrow()
    for name in names:
        batch = batch.append_column(name, arrow.repeat(arrow.scalar(source.partitions[name]), len(batch)))
    return batch


def kept_schema(source: InputFile, column: TextColumn) -> Arrow:
    """Return the types of the columns of a file that are kept."""
    with _opened(source) as file:
        metadata = _metadata(file)
        _, kept = _columns(metadata, source, column)
        with _parquet_file(file, metadata, kept) as opened:
            fields = [opened.schema_arrow.field(name) for name in kept]
    arrow = import_arrow()
    values = {name: source.partitions[name] for name in column.kept(source.partitions)}
    return arrow.schema([*fields, *((name, arrow.scalar(value).type) for name, value in values.items())])


def kept_batches(source: InputFile, names: list[str]) -> Iterator[Arrow]:
    """Iterate over batches of some columns of a file."""
    of_file = [name for name in names if name not in source.partitions]
    with _opened(source) as file, _parquet_file(file, _metadata(file), of_file) as opened:
        for batch in opened.iter_batches(columns=of_file):
            yield _append_partitions(batch, source, [name for name in names if name in source.partitions])


@contextmanager
def _opened(source: InputFile) -> Iterator[BinaryIO]:
    """Open a file for pyarrow, whose errors then name the file."""
    if source.path == STDIN:
        raise CorpusError("Parquet cannot be read from stdin: its index stands at the end")
    if compression := compression_of(source.path):
        raise CorpusError(
            f"{source.name}: Parquet is read from its end, not through {compression}: unpack it first"
        )
    errors = (import_arrow().ArrowException, OSError)
    with source.open(seekable=True) as file, errors_named(CorpusError, source.path, catch=errors):
        yield file


def _parquet_file(file: BinaryIO, metadata: Arrow, columns: Sequence[str]) -> Arrow:
    """Open a file to read these columns, whole or not at all."""
    # Not mapped into memory: the process would die if somebody cut the file off meanwhile. Nor read ahead
    # (pre_buffer), which takes the whole file into memory.
    return import_arrow().parquet.ParquetFile(
        file,
        metadata=metadata,
        pre_buffer=False,
        coerce_int96_timestamp_unit=int96_unit(file, metadata, columns),
        page_checksum_verification=True,
    )


def group_bounds(metadata: Arrow) -> list[int]:
    """Return the first row of each row group, and the number of rows of the file."""
    return [0, *accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))]


def parquet_size(path: str, column: str | None) -> tuple[int, int]:
    """Return the number of rows of a file, and the uncompressed bytes of one of its columns."""
    with _opened(InputFile(path)) as file:
        metadata = _metadata(file)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    sizes = (chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == column)
    return group_bounds(metadata)[-1], sum(sizes)
