"""A copy of a checkpoint's files, for a machine without a network."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from minilm.checkpoint.files import is_there
from minilm.errors import CheckpointError
from minilm.hub.errors import Unavailable
from minilm.hub.manifest import (
    OPTIONAL_FILES,
    RARE_FILES,
    Checkpoint,
    check_sha256,
    checkpoint_files,
    default_manifest,
)
from minilm.hub.staging import is_full, locked, move_into_place, staging_directory


def copy_checkpoint(checkpoint: Checkpoint, directory: str | os.PathLike[str]) -> Path:
    """Copy a checkpoint's files into ``directory``, for a machine without a network.

    Parameters
    ----------
    checkpoint : Checkpoint
        From :func:`minilm.hub.find_checkpoint`.
    directory : str or PathLike
        It is created if it does not exist. Model files of another checkpoint in it are replaced or removed.

    Returns
    -------
    Path
        The directory; pass it to :class:`minilm.MiniLM`.

    Raises
    ------
    CheckpointError
        If a file of the default model was damaged after the check.
    OSError
        If the directory cannot be written, or the disk is full. The directory is then unchanged, or a load
        refuses it as incomplete.
    """
    target = Path(directory).expanduser()
    names = checkpoint_files(checkpoint)
    with locked(target), staging_directory(target) as staging:
        if not _is_copied(checkpoint.directory, target, names):  # a running service may read these files
            _copy_files(checkpoint, names, staging, target)
            _replace_files(staging, target, names)
    return target


def _is_copied(source: Path, target: Path, names: Collection[str]) -> bool:
    others = [name for name in (*OPTIONAL_FILES, *RARE_FILES) if name not in names]
    return not any(is_there(target / name) for name in others) and all(
        (target / name).is_file() and filecmp.cmp(source / name, target / name, shallow=False)
        for name in names
    )


def _copy_files(checkpoint: Checkpoint, names: Collection[str], staging: Path, target: Path) -> None:
    for name in names:
        (staging / name).parent.mkdir(exist_ok=True)  # at most one folder deep
        try:
            shutil.copyfile(checkpoint.directory / name, staging / name)
        except OSError as error:
            if not is_full(error):
                raise
            # shutil names the source file
            raise OSError(error.errno, error.strerror, str(target / name)) from error
    if checkpoint.is_default:
        try:
            check_sha256(staging, default_manifest())
        except Unavailable as reason:
            raise CheckpointError(f"{checkpoint.directory} cannot be copied: {reason}") from None


def _replace_files(staging: Path, target: Path, names: Collection[str]) -> None:
    """Move the files over those of another model.

    If the process is killed here, the directory must not mix two models. So config.json is removed first and
    comes back last: without it, a load refuses the directory as incomplete.
    """
    for name in ("config.json", *(n for n in (*OPTIONAL_FILES, *RARE_FILES) if n not in names)):
        (target / name).unlink(missing_ok=True)
    move_into_place(staging, target, sorted(names, key=lambda name: name == "config.json"))
