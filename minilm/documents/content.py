"""The bytes of a document: hashed as they are read, and held in memory only if they are few."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import IO

# The most bytes that are read at a time, and fewer than which are held in memory.
CHUNK = 1 << 20


class Unreadable(Exception):  # noqa: N818 - the answer about a document, not an error of the program
    """A document has no text that can be indexed; the message says why."""


class UnreadableNow(Unreadable):
    """A document that another run may read: what the table has of it stays."""


class Content:
    """The bytes of a file. They are read once for their sha256.

    A document may have more bytes than there is memory. So :meth:`open` copies a long one to a temporary
    file, which nobody changes while it is cut.

    Parameters
    ----------
    file : io.RawIOBase
        The file, at its beginning.
    resources : ExitStack
        It removes the temporary files.
    is_lasting : bool
        Whether the file stays open as long as this object is used. One that does not, or that cannot be read
        twice, is copied at once.
    """

    def __init__(self, file: io.RawIOBase, resources: ExitStack, *, is_lasting: bool = False) -> None:
        self._file, self._resources = file, resources
        first = b""
        while len(first) < CHUNK and (data := file.read(CHUNK - len(first))):  # a pipe gives less than asked
            first += data
        self._copy: IO[bytes] | None = None
        if len(first) < CHUNK:
            self._copy = io.BytesIO()
        elif not (is_lasting and file.seekable()):
            self._copy = self.temporary()
        self.sha256 = _hashed(chain([first], chunks_of(file)), self._copy)

    def temporary(self) -> IO[bytes]:
        """Return a new file without a name."""
        return self._resources.enter_context(tempfile.TemporaryFile())

    def open(self) -> IO[bytes]:
        """Return a file with these bytes, at its beginning.

        Raises
        ------
        UnreadableNow
            If the file cannot be read again, or has changed since it was hashed.
        """
        if self._copy is None:
            copy = self.temporary()
            if _hashed(self._read_again(), copy) != self.sha256:
                raise UnreadableNow("it changed while it was read")
            self._copy = copy
        self._copy.seek(0)
        return self._copy

    def _read_again(self) -> Iterator[bytes]:
        try:
            self._file.seek(0)
            yield from chunks_of(self._file)
        except OSError as error:
            raise UnreadableNow(error.strerror or str(error)) from error


def _hashed(chunks: Iterable[bytes], copy: IO[bytes] | None) -> str:
    """Return the sha256 of some bytes, and write them to a copy if there is one."""
    digest = hashlib.sha256()
    for data in chunks:
        digest.update(data)
        if copy is not None:
            copy.write(data)
    return digest.hexdigest()


def chunks_of(file: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    """Yield the bytes of a file, some at a time."""
    while data := file.read(CHUNK):
        yield data
