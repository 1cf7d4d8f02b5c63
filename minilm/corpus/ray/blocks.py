"""A corpus cut into blocks, each of which any machine can find and read by itself."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from minilm.corpus.formats.input_file import compression_of
from minilm.corpus.formats.parquet import parquet_size
from minilm.corpus.formats.registry import CUTTABLE
from minilm.corpus.rows import Corpus

BLOCK_BYTES = 1 << 20  # text that keeps one core busy for about a minute
MAX_BLOCK_ROWS = 65_536  # limits blocks of a Parquet file, in which equal texts take no bytes


class Block(NamedTuple):
    """Some of the rows of one file."""

    number: int
    input: int  # the file's place among the files of the corpus
    start: int
    stop: int | None  # start and stop are bytes or, of a Parquet file, rows; None: the whole file
    size: int  # the block's share of the file's bytes

    @property
    def span(self) -> tuple[int, int] | None:
        """The span of :class:`minilm.corpus.rows.Corpus`."""
        return None if self.stop is None else (self.start, self.stop)


def cut_blocks(corpus: Corpus, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Return blocks of about ``block_bytes``, in the order of the rows; the same files give the same blocks.

    Files of lines are cut by bytes, Parquet files by rows. A CSV file or a compressed file can be read from
    its beginning only, and is one block.
    """
    blocks: list[Block] = []
    for number, (path, kind) in enumerate(zip(corpus.paths, corpus.formats, strict=True)):
        size = Path(path).stat().st_size
        if kind == "parquet":
            end, text_bytes = parquet_size(path, corpus.column)
            step = min(max(end * block_bytes // max(text_bytes, 1), 1), MAX_BLOCK_ROWS)
        elif kind in CUTTABLE and compression_of(path) is None:
            step, end = block_bytes, size
        else:
            blocks.append(Block(len(blocks), number, 0, None, size))
            continue
        for start in range(0, max(end, 1), step):
            stop = min(start + step, end)
            blocks.append(Block(len(blocks), number, start, stop, size * (stop - start) // max(end, 1)))
    return blocks
