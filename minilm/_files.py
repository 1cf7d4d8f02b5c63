"""Files that are written whole or not at all, and errors that name the file they are about."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from minilm.errors import MiniLMError, one_line


@contextmanager
def atomic_write(path: Path, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing; it gets the name ``path`` only when all of its content is on the disk.

    Concurrent writers of the same file must pass distinct temporary paths.
    """
    temporary = temporary or path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        sync(file)
    rename_durably(temporary, path)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that a user names, as :func:`atomic_write` does; an OSError names ``path``.

    A link is followed. A directory or a device is refused: a rename would replace /dev/null by a file.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a file that can be written", str(path))
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with atomic_write(target, temporary) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def rename_durably(temporary: Path, path: Path) -> None:
    """Rename a finished file or folder, and sync the directory, so that the new name survives a crash."""
    temporary.replace(path)
    if os.name == "posix":  # elsewhere a directory cannot be opened
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync(file: BinaryIO) -> None:
    """Flush a file and sync it to the disk."""
    file.flush()
    os.fsync(file.fileno())


def json_bytes(value: object, indent: int | None = None) -> bytes:
    """Return ``value`` as JSON in UTF-8; a lone surrogate becomes an escape that JSON turns back into it."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, value: object, temporary: Path | None = None) -> None:
    """Write ``value`` as JSON, as :func:`atomic_write` does."""
    with atomic_write(path, temporary) as file:
        file.write(json_bytes(value, indent=1))


@contextmanager
def errors_named(
    error_type: Callable[[str], Exception],
    message: str,
    *,
    catch: type[BaseException] | tuple[type[BaseException], ...] = Exception,
    when: Callable[[BaseException], bool] = lambda _: True,
    describe: Callable[[BaseException], str] = one_line,
) -> Iterator[None]:
    """Turn what a library raises about a file into an error that names the file.

    ``message`` comes before what ``describe`` quotes of the exception: "x.npy is damaged: ...". MiniLM's own
    errors and MemoryError pass, and so does what is not of the type ``catch`` or for which ``when`` is false.
    """
    try:
        yield
    except (MiniLMError, MemoryError):
        raise
    except catch as error:
        if not when(error):
            raise
        raise error_type(f"{message}: {describe(error)}") from error
