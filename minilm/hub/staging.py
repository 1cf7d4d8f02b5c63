"""Files that appear whole or not at all: a lock, a staging directory, and a rename."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of ``root`` against other processes; the system frees it when this process ends."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".minilm.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another process that is writing to %s", root)
        lock.acquire()
    try:
        # Only the holder of the lock writes here, so these are leftovers of processes that were killed.
        for stale in root.glob(".incoming-*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        lock.release()


def check_room(root: Path, size: int) -> None:
    """Raise an OSError if the disk has less room than ``size`` bytes. Call it before a download."""
    free = shutil.disk_usage(root).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{size / 2**20:.0f} MiB are needed, and {free / 2**20:.0f} MiB are free")


def is_full(error: Exception) -> bool:
    """Whether an error means that the disk, or the user's quota on it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def staging_directory(root: Path) -> Iterator[Path]:
    """A temporary directory under ``root`` for files that are not checked yet."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".incoming-", ignore_cleanup_errors=True) as staging:
        yield Path(staging)


def move_into_place(staging: Path, directory: Path, names: Iterable[str]) -> None:
    """Rename files from the staging directory to their final place, over older files."""
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(directory / name)
