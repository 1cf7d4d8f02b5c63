"""A corpus cut into blocks, which any machine can find again and read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from minilm.corpus.rows import Corpus, _pyarrow, damage_named, is_compressed

BLOCK_BYTES = 1 << 20  # of text: about a minute of a core
_BLOCK_ROWS = 65_536  # of a Parquet file at most, in which equal texts take no bytes
_LINES = ("text", "jsonl")  # what can be cut at any newline; quotes may hold those of CSV


class Block(NamedTuple):
    """Some of the rows of one file."""

    number: int
    input: int  # of the file, among the corpus's
    start: int
    stop: int | None  # bytes in which its lines begin, or rows of a Parquet file; None: all of the file
    size: int  # bytes of the file that it stands for

    @property
    def span(self) -> tuple[int, int] | None:
        """As :class:`Corpus` takes it."""
        return None if self.stop is None else (self.start, self.stop)


def cut(corpus: Corpus, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Blocks of about so many bytes, in the order of the rows: of the same files always the same.

    Files of lines are cut by bytes and Parquet files by rows. A CSV file or a compressed one is read from its
    beginning only, and is a block.
    """
    blocks: list[Block] = []
    for number, (path, kind) in enumerate(zip(corpus.paths, corpus.formats, strict=True)):
        size = Path(path).stat().st_size
        if kind == "parquet":
            rows, text_bytes = _parquet_size(path, corpus.column)
            step = min(max(rows * block_bytes // max(text_bytes, 1), 1), _BLOCK_ROWS)
            end = rows
        elif kind in _LINES and not is_compressed(path):
            step, end = block_bytes, size
        else:
            blocks.append(Block(len(blocks), number, 0, None, size))
            continue
        for start in range(0, max(end, 1), step):
            stop = min(start + step, end)
            blocks.append(Block(len(blocks), number, start, stop, size * (stop - start) // max(end, 1)))
    return blocks


def _parquet_size(path: str, column: str | None) -> tuple[int, int]:
    """Rows of a Parquet file, and bytes of its texts."""
    arrow, parquet = _pyarrow("Parquet")
    with damage_named(path, arrow):
        metadata: Any = parquet.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    sizes = (chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema == column)
    return metadata.num_rows, sum(sizes)
