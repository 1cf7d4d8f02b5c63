"""An input file: opened, decompressed, decoded, and cut to the lines of one block."""

from __future__ import annotations

import codecs
import io
import sys
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TextIO

from minilm._files import errors_named
from minilm.corpus.formats.compression import check_magic, compression_of, decompressed, is_damage, zip_member
from minilm.corpus.paths import STDIN, file_name, is_url, open_url
from minilm.errors import CorpusError


class ReadOtherwiseError(CorpusError):
    """A file is not what its name says, or not in UTF-8: the message names an option of ``minilm encode``."""

    def elsewhere(self) -> str:
        """Return the message of a command that does not have this option."""
        return f"{self} (an option of minilm encode; convert the file first)"


_BUFFER = 1 << 18
_HEAD = 4096  # bytes by which text that is not UTF-8 is known
# Byte order marks, the codec that reads each, and another that it agrees with. Those of UTF-32 come first:
# one of them begins with one of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: ("utf-32", "utf-32-le"),
    codecs.BOM_UTF32_BE: ("utf-32", "utf-32-be"),
    codecs.BOM_UTF8: ("utf-8-sig", "utf-8"),
    codecs.BOM_UTF16_LE: ("utf-16", "utf-16-le"),
    codecs.BOM_UTF16_BE: ("utf-16", "utf-16-be"),
}


@dataclass(frozen=True)
class Dialect:
    r"""How files of text are written.

    Parameters
    ----------
    encoding : str, optional
        A codec of Python, such as "utf-16" or "cp1252", for all formats of text. None is UTF-8.
    delimiter : str, optional
        The character between the cells of CSV and TSV. None is a comma or, for TSV, a tab.
    header : bool
        Whether CSV and TSV begin with the names of the columns. Otherwise these are "0", "1" and so on.
    quoting : bool, optional
        Whether a quote at the beginning of a cell of CSV and TSV encloses it. If not, quotes are text. With
        None they enclose, but a cell of TSV with line breaks and tabs in quotes is no text: it looks like
        several rows in which quotes are text.

    Raises
    ------
    ValueError
        If there is no such encoding, or no such delimiter can be.
    """

    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True
    quoting: bool | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None and not _is_text_codec(self.encoding):
            raise ValueError(
                f"encoding must be a codec of Python, such as utf-16 or cp1252, not {self.encoding!r}"
            )
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise ValueError(
                f"delimiter must be one character, but no quote or newline, not {self.delimiter!r}"
            )

    def check_formats(self, formats: Collection[str]) -> None:
        """Raise a ValueError if none of these formats of input has a setting that was made."""
        tables, texts = {"csv", "tsv"}, {"csv", "tsv", "text", "jsonl", "json"}
        settings = {"delimiter": tables, "header": tables, "quoting": tables, "encoding": texts}
        for name, fitting in settings.items():
            is_made = getattr(self, name) != getattr(Dialect, name)
            if is_made and formats and not fitting.intersection(formats):
                kinds = ", ".join(sorted(fitting))
                raise ValueError(f"{name} is for {kinds}, and the input is {', '.join(sorted(set(formats)))}")


def _is_text_codec(name: str) -> bool:
    try:
        # refuses base64 and others that give no text, and idna and others that cannot go on behind an error
        io.TextIOWrapper(io.BytesIO("a".encode(name)), name, errors="surrogateescape").read()
    except (LookupError, ValueError):
        return False
    return True


class InputFile:
    """One input during one pass; ``span`` is that of :class:`minilm.corpus.rows.Corpus`."""

    def __init__(
        self,
        path: str,
        span: tuple[int, int] | None = None,
        *,
        partitions: Mapping[str, str | int | None] | None = None,
        dialect: Dialect | None = None,
    ) -> None:
        self.path = path
        self.span = span
        self.partitions = partitions or {}
        self.dialect = dialect or Dialect()
        self.name = "stdin" if path == STDIN else path
        self.lines_read = 0  # of the span
        self.rows_position = 0  # the position, as a reader estimates it that goes by rows
        self._file: BinaryIO | None = None

    @property
    def position(self) -> int:
        """Bytes of the file that were read; 0 for a pipe, which cannot tell."""
        return self._file.tell() if self._file else self.rows_position

    @property
    def encoding(self) -> str:
        """The encoding, as messages name it."""
        return self.dialect.encoding or "UTF-8"

    @contextmanager
    def open(self, *, seekable: bool = False) -> Iterator[io.BufferedReader]:
        """Open the input for reading, decompressed; damaged data is a CorpusError that names the file.

        ``seekable`` asks a server for a file that can seek. Any can that is neither compressed nor a pipe.
        """
        compression = None if self.path == STDIN else compression_of(self.path)
        with self._opened(seekable=seekable or compression == "zip") as file:
            self._file = file if self.path != STDIN and file.seekable() else None
            try:
                check_magic(self.name, compression, file.peek(16)[:16])
                if compression is None:
                    yield file
                    return
                with errors_named(
                    CorpusError, f"{self.path}: the compressed data is damaged", when=is_damage
                ):
                    yield io.BufferedReader(decompressed(file, compression, self.path), _BUFFER)
            finally:
                self._file = None

    def content_name(self) -> str:
        """Return the name that tells the format: that of the file in a zip, or without .gz and the like."""
        compression, name = compression_of(self.path), file_name(self.path)
        if compression == "zip":
            with self._opened(seekable=True) as file, errors_named(CorpusError, self.path, when=is_damage):
                check_magic(self.path, compression, file.peek(16)[:16])
                return zip_member(zipfile.ZipFile(file), self.path)
        return PurePosixPath(name).stem if compression else name

    @contextmanager
    def _opened(self, *, seekable: bool) -> Iterator[io.BufferedReader]:
        if self.path == STDIN:
            if sys.stdin is None:
                raise CorpusError("there is nothing to read: stdin is closed")
            stdin: Any = sys.stdin.buffer
            yield stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(stdin)
        elif is_url(self.path):
            with open_url(self.path, seekable=seekable) as remote:
                yield io.BufferedReader(remote, _BUFFER)
        else:
            with Path(self.path).open("rb") as file:
                yield file

    @contextmanager
    def open_text(self, newline: str) -> Iterator[TextIO]:
        """Open the input as text. What cannot be decoded becomes lone surrogates: only its row is lost.

        A codec that cannot go on behind it, as that of UTF-16, makes it a CorpusError.
        """
        with self.open() as file:
            text = io.TextIOWrapper(file, self._codec(file), errors="surrogateescape", newline=newline)
            try:
                with errors_named(
                    ReadOtherwiseError,
                    f"{self.name}: not {self.encoding} (see --encoding)",
                    catch=UnicodeError,
                ):
                    yield text
            finally:
                if self.path == STDIN:
                    with suppress(ValueError):  # it would be closed with its wrapper
                        text.detach()

    def _codec(self, file: io.BufferedReader) -> str:
        """Return the codec for a file; raise a CorpusError if its first bytes contradict the encoding."""
        head, encoding = file.peek(_HEAD)[:_HEAD], codecs.lookup(self.encoding).name
        if codecs_of_mark := next(
            (_BYTE_ORDER_MARKS[m] for m in _BYTE_ORDER_MARKS if head.startswith(m)), None
        ):
            codec = codecs_of_mark[0]
            if encoding in codecs_of_mark:
                return codec
            family = codec.removesuffix("-sig")
            raise ReadOtherwiseError(
                f"{self.name} begins with the byte order mark of {family.upper()}, and is read as "
                f"{self.encoding}: --encoding {family} reads it"
            )
        if head.startswith(b"PAR1\x15"):
            raise ReadOtherwiseError(f"{self.name} holds Parquet: --format parquet reads it")
        if encoding == "utf-8" and head.count(0) > max(1, len(head) // 32):
            raise ReadOtherwiseError(
                f"{self.name} is full of NUL bytes: --encoding {_guessed(head)} reads it, if it is text"
            )
        return encoding

    def lines(self) -> Iterator[bytes]:
        """Iterate over the lines in UTF-8, or over those that begin in the span, without a byte order mark.

        What cannot be decoded is in them as bytes that are not UTF-8.
        """
        if self.dialect.encoding and codecs.lookup(self.dialect.encoding).name != "utf-8":
            with self.open_text("\n") as text:
                yield from map(self.encoded, text)
            return
        with self.open() as file:
            self._codec(file)
            if self.span is None:
                lines = iter(file)
                yield from (line.removeprefix(codecs.BOM_UTF8) for line in islice(lines, 1))
                yield from lines
                return
            start, stop = self.span
            if start:
                file.seek(start - 1)
                start += len(file.readline()) - 1
            while start < stop and (line := file.readline()):
                yield line if start else line.removeprefix(codecs.BOM_UTF8)
                start += len(line)
                self.lines_read += 1

    def encoded(self, text: str) -> bytes:
        """Return what was read by :meth:`open_text` in UTF-8, with what could not be decoded as no UTF-8."""
        # Bytes of another encoding could be UTF-8 by chance.
        return text.encode("utf-8", "surrogatepass" if self.dialect.encoding else "surrogateescape")


def _guessed(head: bytes) -> str:
    """Return the encoding of text, most of whose characters are of ASCII, by where its NUL bytes are."""
    nuls = [head[place::4].count(0) for place in range(4)]
    if sum(nuls) > len(head) * 5 // 8:
        return "utf-32-le" if nuls[3] >= nuls[0] else "utf-32-be"
    return "utf-16-le" if nuls[1] + nuls[3] >= nuls[0] + nuls[2] else "utf-16-be"
