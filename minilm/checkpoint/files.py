"""The files of a checkpoint, opened with care, because a checkpoint may come from anybody.

Only regular files are read (a pipe would be waited for without end), none that is larger than its kind can
rightly be, and what a message quotes of one is cut short. A link that leads nowhere or a folder that may not
be searched is a fault: to take its file for missing would be to run another model than was meant.
"""

from __future__ import annotations

import json
import reprlib
import stat
from pathlib import Path
from typing import TypeVar

from minilm.errors import CheckpointError, one_line

# A config.json has a few hundred bytes, with a hundred thousand labels a few million. Parsed, JSON can take
# thirty times its bytes.
MAX_JSON_BYTES = 10 << 20

_T = TypeVar("_T")

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 3, 60, 60, 40


def is_there(path: Path) -> bool:
    """Whether a file of this name is there, if only as a link that leads nowhere.

    Raises
    ------
    CheckpointError
        If that cannot be told.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from error
    return True


def check_regular(path: Path, *, most: int | None = None) -> None:
    """Raise a CheckpointError unless ``path`` is a regular file, of at most so many bytes."""
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise CheckpointError(f"{path}: is {kind}, not a regular file")
    if most is not None and status.st_size > most:
        raise CheckpointError(f"{path}: has {status.st_size} bytes, and such a file may have {most} at most")


def read_json(path: Path, kind: type[_T]) -> _T:
    """The JSON value in a checkpoint's file; a CheckpointError names the file if it is not of ``kind``."""
    check_regular(path, most=MAX_JSON_BYTES)
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON: {one_line(error)}") from error
    if not isinstance(value, kind):
        raise CheckpointError(f"{path}: holds a JSON {type(value).__name__}, not a {kind.__name__}")
    return value


def shown(value: object) -> str:
    """A value out of a checkpoint as a message shows it: one line, and not all of it if it is long.

    Examples
    --------
    >>> shown([1, 2.5, "three"])
    "[1, 2.5, 'three']"
    >>> len(shown("x" * 1_000_000))
    60
    """
    return one_line(_SHORT.repr(value))


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{path}: cannot be read: {error.strerror or one_line(error)}")
