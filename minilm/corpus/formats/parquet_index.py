"""Vectors and texts of an index in Parquet, in one file or in a directory of files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from minilm._arrays import FloatArray
from minilm.corpus.formats.columns import import_arrow
from minilm.corpus.formats.parquet import group_bounds
from minilm.corpus.formats.shard import EMBEDDING
from minilm.errors import CorpusError


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
            bounds = [previous_files + row for row in group_bounds(file.metadata)]
            for group, (start, stop) in enumerate(pairwise(bounds)):
                if names and (here := [row for row in rows if start <= row < stop]):
                    column = file.read_row_group(group, columns=names[:1]).column(0)
                    texts |= {row: column[row - start].as_py() for row in here}
            previous_files = bounds[-1]
    return texts
