"""Compressed files: which compression a name tells, and its decompressed content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from minilm.corpus.paths import file_name
from minilm.errors import CorpusError, import_extra

_CHUNK = 1 << 16


class _Compression(NamedTuple):
    suffixes: tuple[str, ...]
    magic: bytes  # with which its data begin


_COMPRESSIONS = {
    "gzip": _Compression((".gz",), b"\x1f\x8b"),
    "bz2": _Compression((".bz2",), b"BZh"),
    "xz": _Compression((".xz",), b"\xfd7zXZ\x00"),
    "zstd": _Compression((".zst", ".zstd"), b"\x28\xb5\x2f\xfd"),
    "zip": _Compression((".zip",), b"PK\x03\x04"),
}
_OTHER_MAGICS = (
    *[bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60)],
    b"PK\x05\x06",
)  # zstd, zip: empty


def compression_of(path: str) -> str | None:
    """Return the compression that a file's name tells."""
    suffix = PurePosixPath(file_name(path)).suffix.lower()
    return next((name for name, kind in _COMPRESSIONS.items() if suffix in kind.suffixes), None)


def check_magic(name: str, compression: str | None, head: bytes) -> None:
    """Raise a CorpusError if the first bytes of a file are not of the compression that its name tells."""
    if compression is None:
        for other, kind in _COMPRESSIONS.items():
            # "BZh" may begin a text: its block size and the digits of pi follow it
            if head.startswith(kind.magic) and (other != "bz2" or head[4:10] == b"1AY&SY"):
                rename = "" if name == "stdin" else f"name it {file_name(name)}{kind.suffixes[0]}, or "
                raise CorpusError(f"{name} holds {other} data: {rename}unpack it")
    elif not head.startswith((_COMPRESSIONS[compression].magic, *_OTHER_MAGICS)):
        suffix = PurePosixPath(file_name(name)).suffix
        what = "is empty" if not head else f"does not hold {compression} data"
        raise CorpusError(f"{name} {what}, though its name ends in {suffix}")


def decompressed(file: BinaryIO, compression: str, name: str) -> io.RawIOBase:
    """Return a file of the decompressed content. Where data are missing or damaged, reading it fails."""
    if compression == "zip":
        archive = zipfile.ZipFile(file)
        return cast(io.RawIOBase, archive.open(archive.getinfo(zip_member(archive, name))))
    if compression == "gzip":
        return cast(io.RawIOBase, gzip.GzipFile(fileobj=file))
    if compression == "zstd":
        module = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        zstd = import_extra(module, extra="parquet", feature="zstd")
        # zstd --long=31 refers to 2 GiB back; readers that allow less refuse its files
        return cast(io.RawIOBase, zstd.open(file, options={zstd.DecompressionParameter.window_log_max: 31}))
    return _Streams(file, bz2.BZ2Decompressor if compression == "bz2" else lzma.LZMADecompressor)


def zip_member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the one file of an archive; raise a CorpusError if there are others or a password."""
    infos = [info for info in archive.infolist() if not info.is_dir() and "__MACOSX/" not in info.filename]
    if len(infos) != 1:
        names = ", ".join(info.filename for info in infos[:10]) or "nothing"
        raise CorpusError(
            f"{name} holds {len(infos)} files: {names}; name the one to read as zip://FILE::{name}"
        )
    if infos[0].flag_bits & 1:
        raise CorpusError(f"{name} is encrypted: unpack it with its password first")
    return infos[0].filename


def is_damage(error: BaseException) -> bool:
    """Whether the error of a decompressor is about the data; an errno is about the disk."""
    if isinstance(error, OSError):
        return not error.errno
    kinds = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
    return isinstance(error, kinds) or type(error).__name__ == "ZstdError"


class _Streams(io.RawIOBase):
    """The content of bz2 or xz streams, one after the other, as pbzip2 and `cat` write them.

    The standard library's readers end silently where a later stream is damaged at its beginning.
    """

    def __init__(self, file: BinaryIO, make: Callable[[], Any]) -> None:
        self._file = file
        self._make = make
        self._decompressor = make()
        self._is_over = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer has no type before Python 3.12
        """Fill the buffer, and return the number of bytes; 0 at the end."""
        content = b""
        while not content and not self._is_over:
            content = self._next(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _next(self, size: int) -> bytes:
        data = b""
        if self._decompressor.eof:
            data = self._decompressor.unused_data.lstrip(b"\0")  # zeros may follow as padding
            while not data and (chunk := self._file.read(_CHUNK)):
                data = chunk.lstrip(b"\0")
            if not data:
                self._is_over = True
                return b""
            self._decompressor = self._make()
        elif self._decompressor.needs_input and not (data := self._file.read(_CHUNK)):
            raise EOFError("the end is missing")
        return cast(bytes, self._decompressor.decompress(data, size))
