"""Whether the inputs are those that a job was begun with.

An input is what its rows say: a manifest holds the sha256 of the rows that were read from it. The path and
the time of change are hints. If both are as they were, a finished job does not read the rows again.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from minilm.corpus.formats.columns import Arrow, ArrowRow, import_arrow
from minilm.corpus.formats.row import Row
from minilm.corpus.paths import STDIN, absolute, file_name, is_url, url_state
from minilm.errors import CorpusError


@dataclass(frozen=True)
class InputRecord:
    """What a manifest says about one input."""

    path: str  # absolute; a hint
    format: str
    bytes: int | None  # None for a pipe
    modified: int | None  # in nanoseconds; a hint; None also for a server that does not tell it
    rows: int = 0  # the rows that were read from it
    sha256: str = ""  # of these rows; empty if there are none

    @property
    def name(self) -> str:
        """The input as a message names it; its folder may be another than at the start."""
        return "stdin" if self.path == STDIN else file_name(self.path)

    @property
    def place(self) -> str:
        """The input as a message names it that is about its content now."""
        return "stdin" if self.path == STDIN else self.path


class _State(NamedTuple):
    """What changes if a file is written to or replaced; all None for a pipe."""

    bytes: int | None = None
    modified: int | None = None
    inode: tuple[int, int] | None = None


def _state(path: str, *, is_fresh: bool = False) -> _State:
    if is_url(path):
        return _State(*url_state(path, is_fresh=is_fresh))
    status = None if path == STDIN else Path(path).stat()
    if status is None or not stat.S_ISREG(status.st_mode):
        return _State()
    return _State(status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino))


class WatchedInput:
    """One input during a pass over the rows, which hashes the rows and notices if the file changes."""

    def __init__(self, path: str, kind: str) -> None:
        self.path = path
        self.format = kind
        self._state = _state(path)
        self._rows = 0
        self._batch: Arrow = None  # the last one
        self._sha256 = hashlib.sha256()

    def add(self, row: Row) -> None:
        """Take in the next row."""
        others = row.other_columns
        if isinstance(others, ArrowRow):  # a batch is hashed once, with its first row
            if others.batch is not self._batch:
                self._batch = others.batch
                self._sha256.update(_stream_of(others.batch))
            others = {}
        content = repr((row.text, row.problem, others))
        self._sha256.update(content.encode("utf-8", "surrogatepass"))
        self._rows += 1

    @property
    def bytes(self) -> int:
        """The size of the file when the pass began; 0 for a pipe."""
        return self._state.bytes or 0

    @property
    def record(self) -> InputRecord:
        """What is known of the input so far."""
        path = self.path if self.path == STDIN else absolute(self.path)
        sha256 = self._sha256.hexdigest() if self._rows else ""
        return InputRecord(path, self.format, self._state.bytes, self._state.modified, self._rows, sha256)

    def check_unchanged(self) -> None:
        """Raise a CorpusError if the file is another than when the pass began."""
        old = self._state
        try:
            new = _state(self.path, is_fresh=True)
        except FileNotFoundError:
            change = "it was removed"
        else:
            if new == old:
                return
            change = "it was written to"
            if new.bytes != old.bytes:
                change = f"it has {_size(new.bytes)} and had {_size(old.bytes)}"
            elif new.inode != old.inode:
                change = "another file has its name"
        raise CorpusError(
            f"{self.path} changed while it was read: {change}. Finished rows are kept, and the same command "
            "goes on if the input has the same rows as before"
        )


def _stream_of(batch: Arrow) -> Arrow:
    """Return a buffer with the batch in Arrow's format for streams: its schema, dictionaries and values."""
    arrow = import_arrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def are_untouched(recorded: Sequence[InputRecord], current: Sequence[InputRecord]) -> bool:
    """Whether these are the same files, of the same size and time of change, if all have these."""
    return [_hints(record) for record in recorded] == [_hints(record) for record in current] and all(
        None not in (record.bytes, record.modified) for record in current
    )


def _hints(record: InputRecord) -> tuple[object, ...]:
    return record.path, record.format, record.bytes, record.modified


def file_difference(recorded: Sequence[InputRecord], current: Sequence[InputRecord]) -> str:
    """Return how these inputs differ, as far as it shows without reading them; empty if they do not."""
    if len(current) != len(recorded):
        new, gone = _missing(current, recorded), _missing(recorded, current)
        details = "; ".join(f"{what}: {names}" for what, names in (("new", new), ("gone", gone)) if names)
        number = f"the number of inputs is {len(current):,} and was {len(recorded):,}"
        return f"{number} ({details})" if details else number
    for was, now in zip(recorded, current, strict=True):
        if (was.format, was.bytes) != (now.format, now.bytes):
            if order := _order(recorded, current):
                return order
            old_name = f"{was.name} had" if was.name != now.name else "had"
            if was.bytes != now.bytes:
                return f"{now.place} has {_size(now.bytes)} and {old_name} {_size(was.bytes)}"
            return f"{now.place} is read as {now.format} and was read as {was.format}"
    return ""


def row_difference(recorded: Sequence[InputRecord], current: Sequence[InputRecord]) -> str:
    """Return which input gives other rows than were read from it before, and how; empty if none does."""
    for was, now in zip(recorded, current, strict=True):
        if (was.rows, was.sha256) != (now.rows, now.sha256):
            if now.path == STDIN:
                return now.name
            if order := _order(recorded, current):
                return f"{now.path}: {order}"
            if was.rows != now.rows:
                return f"{now.path}: it gives {now.rows:,} and gave {was.rows:,}"
            return f"{now.path}: some of the {now.rows:,} that were read differ"
    return ""


def _missing(names: Sequence[InputRecord], others: Sequence[InputRecord]) -> str:
    """Return the names that the others lack, at most three of them."""
    known = {record.name for record in others}
    missing = [record.name for record in names if record.name not in known]
    return ", ".join(missing[:3]) + (f" and {len(missing) - 3:,} more" if len(missing) > 3 else "")


def _order(recorded: Sequence[InputRecord], current: Sequence[InputRecord]) -> str:
    """Return what shows that the same names come in another order; empty if they do not."""
    before, after = ([record.name for record in records] for records in (recorded, current))
    if sorted(before) != sorted(after):
        return ""
    moved = (pair for pair in zip(after, before, strict=True) if pair[0] != pair[1])
    now, was = next(moved, ("", ""))
    return now and f"the order of the inputs is another, {now} stands where {was} was"


def _size(number: int | None) -> str:
    return "no size" if number is None else f"{number:,} bytes"
