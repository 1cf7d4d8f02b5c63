"""Files that land whole, or not at all: a lock, a staging directory, and a rename."""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of ``root`` across processes; the operating system frees it if this one dies."""
    from filelock import FileLock, Timeout

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / ".minilm.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another process that is writing to %s", root)
        lock.acquire()
    try:
        # what a killed process left behind; nobody else is writing while the lock is held
        for stale in root.glob(".incoming-*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        lock.release()


def check_room(root: Path, size: int) -> None:
    """Raise an OSError, before anything is fetched, if there is less room on the disk than ``size`` bytes."""
    free = shutil.disk_usage(root).free
    if free < size:
        raise OSError(errno.ENOSPC, f"{size / 2**20:.0f} MiB are needed, and {free / 2**20:.0f} MiB are free")


def is_full(error: OSError) -> bool:
    """Whether the disk, or this user's share of it, has no more room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def staging_directory(root: Path) -> Iterator[Path]:
    """A directory under ``root`` for files that are not checked yet, gone in the end."""
    with tempfile.TemporaryDirectory(dir=root, prefix=".incoming-", ignore_cleanup_errors=True) as staging:
        yield Path(staging)


def land(staging: Path, directory: Path, names: Mapping[str, str] | list[str]) -> None:
    """Rename the files from ``staging`` to where they belong."""
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(directory / name)
