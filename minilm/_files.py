"""Files that land whole: written beside their place, brought to the disk, renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def landing(path: Path, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write to, which bears its name only once all of it is on the disk.

    Who may write the same file at the same time as others gives a temporary name of his own.
    """
    temporary = temporary or path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        sync(file)
    land(temporary, path)


def land(temporary: Path, path: Path) -> None:
    """Give a finished file its name, for good."""
    temporary.replace(path)
    if os.name == "posix":  # elsewhere a directory cannot be opened
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync(file: BinaryIO) -> None:
    """Bring what was written to the disk itself."""
    file.flush()
    os.fsync(file.fileno())


def json_bytes(value: object, indent: int | None = None) -> bytes:
    r"""``value`` as JSON in UTF-8.

    What has no UTF-8 form, the bytes of a file's name that are none or half a character in a column, becomes
    JSON's own escape, ``\\udcff``, and comes back from it.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return text.encode("utf-8", "backslashreplace")


def write_json(path: Path, value: object, temporary: Path | None = None) -> None:
    """``value`` as JSON, landed."""
    with landing(path, temporary) as file:
        file.write(json_bytes(value, indent=1))
