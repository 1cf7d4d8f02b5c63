"""A shard, which is the rows that are written together, and a writer of shards.

A writer writes an output shard by shard, such that a later process can continue after any shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from minilm._arrays import AnyArray
from minilm._files import sync
from minilm.corpus.formats.columns import OtherColumns
from minilm.errors import CorpusError

EMBEDDING = "embedding"  # the column of the vectors, unless it gets another name


class Shard(NamedTuple):
    """Rows that are written together."""

    number: int
    texts: list[str]
    prepared: Any  # what the writer's ``prepare`` returned of these rows
    vectors: AnyArray  # (n, E)


class GrowingFile:
    """A writer whose file grows shard by shard."""

    header = b""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows"

    def prepare(self, texts: Sequence[str], others: Sequence[OtherColumns], source: str) -> Any:  # noqa: ANN401, ARG002
        """Return what a shard has beside its vectors, or raise a CorpusError before they are computed."""
        return None

    def write(self, shard: Shard) -> int:
        """Append a shard, and return the mark by which :meth:`rewind` finds its end: the file's length."""
        with self.path.open("ab") as file:
            self.append(file, shard)
            sync(file)
            return file.tell()

    def rewind(self, marks: Sequence[int]) -> None:
        """Remove what was written after the shards with these marks; raise a CorpusError if one is gone."""
        with self.path.open("ab") as file:
            if marks and file.tell() < marks[-1]:  # truncate() would lengthen it with zeros
                raise CorpusError(f"{self.path} has lost rows that were written: --overwrite starts over")
            file.truncate(marks[-1] if marks else 0)
            if not marks:
                file.seek(0)
                file.write(self.header)

    def append(self, file: BinaryIO, shard: Shard) -> None:
        """Write the rows of a shard."""
        raise NotImplementedError

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the signature of all writers
        """Complete the output, and return the path of the file to rename."""
        return self.path
