"""Vectors and texts of an index in Parquet, in one file or in a directory of files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from minilm._arrays import AnyArray
from minilm.corpus.formats.columns import Arrow, import_arrow
from minilm.corpus.formats.parquet import group_bounds
from minilm.corpus.paths import data_files, files_below, natural_order
from minilm.errors import CorpusError

_COMPONENTS = ("halffloat", "float", "double", "int8", "uint8")  # by Arrow's names


def parquet_files(path: Path) -> list[Path]:
    """Return the file itself, or the files of a directory, at any depth, in the order of their rows."""
    if not path.is_dir():
        return [path]
    files = data_files(str(path), files_below(str(path)))
    if not files:
        raise CorpusError(f"{path} has no Parquet files; to search documents, minilm index them first")
    return [Path(file) for file in sorted(files, key=natural_order)]


def parquet_vectors(path: Path, block_rows: int, column: str) -> Iterator[AnyArray]:
    """Iterate over blocks of the vectors of one file, each of shape (n, E), from a column of lists."""
    arrow = import_arrow()
    # Not mapped: the process would die if the file were cut off meanwhile. Nor read ahead into memory.
    with arrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        names = file.schema_arrow.names
        if column not in names:
            raise CorpusError(
                f"{path} has no column {column!r}, but {', '.join(names)}; --embedding-column NAME"
            )
        kind = file.schema_arrow.field(column).type
        kind = getattr(kind, "storage_type", kind)  # of a tensor, as Ray writes it
        if str(getattr(kind, "value_type", None)) not in _COMPONENTS:
            raise CorpusError(f"{path}: column {column!r} is {kind}, not a list of float, int8 or uint8")
        first_row, width = 0, None
        for batch in file.iter_batches(block_rows, columns=[column]):
            lists = getattr(batch.column(0), "storage", batch.column(0))
            if not len(lists):
                continue
            widths = np.asarray(lists.value_lengths().fill_null(-1))  # -1: null
            width = max(0, int(widths[0])) if width is None else width
            if (wrong := np.flatnonzero(widths != width)).size:
                row, found = first_row + int(wrong[0]), int(widths[wrong[0]])
                what = "no vector" if found < 0 else f"{found} components, the first row {width}"
                raise CorpusError(f"{path}: column {column!r}: row {row} has {what}")
            flat = lists.flatten()
            if flat.null_count:
                row = first_row + flat.is_null().index(True).as_py() // width
                raise CorpusError(f"{path}: column {column!r}: row {row} has a component that is null")
            yield np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(lists), width)
            first_row += len(lists)


def parquet_texts(path: Path, rows: set[int], column: str | None) -> dict[int, str | None]:
    """Return the texts of these rows: of this column if it has strings, else of the first that has."""
    arrow = import_arrow()
    texts: dict[int, str | None] = {}
    previous_files = 0
    for part in parquet_files(path):
        with arrow.parquet.ParquetFile(part, pre_buffer=False) as file:
            names = [field.name for field in file.schema_arrow if _is_text(field.type)]
            names = [column] if column in names else names[:1]
            bounds = [previous_files + row for row in group_bounds(file.metadata)]
            for group, (start, stop) in enumerate(pairwise(bounds)):
                if names and (here := [row for row in rows if start <= row < stop]):
                    strings = file.read_row_group(group, columns=names).column(0)
                    texts |= {row: strings[row - start].as_py() for row in here}
            previous_files = bounds[-1]
    return texts


def _is_text(kind: Arrow) -> bool:
    if import_arrow().types.is_dictionary(kind):  # pandas' categories
        kind = kind.value_type
    return str(kind) in ("string", "large_string", "string_view")
