"""A shard, which is the rows that are written together, and what a writer of shards does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from minilm._arrays import FloatArray
from minilm._files import sync
from minilm.errors import CorpusError

EMBEDDING = "embedding"  # the column of the vectors


class Shard(NamedTuple):
    """Rows that are written together."""

    number: int
    texts: list[str]
    other_columns: list[dict[str, Any]]
    vectors: FloatArray  # (n, E)


class ShardWriter(Protocol):
    """Writes an output shard by shard, such that a later process can continue after any shard."""

    def write(self, shard: Shard) -> int:
        """Write a shard, and return the mark that :meth:`rewind` needs to find its end."""

    def rewind(self, marks: Sequence[int]) -> None:
        """Remove what was written after the shards with these marks; raise a CorpusError if one is gone."""

    def join(self, rows: int) -> Path:
        """Complete the output, and return the path of the file to rename."""


class GrowingFile:
    """A writer's file that grows shard by shard; the mark of a shard is the file's length after it."""

    header = b""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows"

    def write(self, shard: Shard) -> int:
        """Append a shard, and return the file's new length."""
        with self.path.open("ab") as file:
            self.append(file, shard)
            sync(file)
            return file.tell()

    def rewind(self, marks: Sequence[int]) -> None:
        """Truncate the file to its length after these shards."""
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

    def join(self, rows: int) -> Path:  # noqa: ARG002 - the protocol's argument
        """Return the file: it is complete."""
        return self.path


def check_text_name(column: str, others: Collection[str]) -> None:
    """Raise a CorpusError if another column has the name of the column with the text."""
    if column in others:
        raise CorpusError(f"a column to keep is called {column!r}, like the column of the texts")


def check_vector_name(*columns: str | None) -> None:
    """Raise a CorpusError if a column has the name of the column of the vectors."""
    if EMBEDDING in columns:
        raise CorpusError(f"a column of the input is called {EMBEDDING!r}, like the column of the vectors")
