"""A copy of a checkpoint's files, for a machine without a network."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from minilm.checkpoint.files import REQUIRED_FILES, WEIGHTS_INDEX, is_there
from minilm.errors import CheckpointError
from minilm.hub.errors import Unavailable
from minilm.hub.manifest import (
    SETTINGS_FILES,
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


def _is_copied(source: Path, target: Path, names: Sequence[str]) -> bool:
    return not any(is_there(target / name) for name in _other_files(names)) and all(
        (target / name).is_file() and filecmp.cmp(source / name, target / name, shallow=False)
        for name in names
    )


def _other_files(names: Sequence[str]) -> list[str]:
    """Files that would change the model if an older one had left them in its directory."""
    folder, _, _ = names[0].rpartition("config.json")  # the Transformer's
    known = (*REQUIRED_FILES, "vocab.txt", WEIGHTS_INDEX, *SETTINGS_FILES)
    return [name for name in dict.fromkeys((*known, *(folder + name for name in known))) if name not in names]


def _copy_files(checkpoint: Checkpoint, names: Sequence[str], staging: Path, target: Path) -> None:
    for name in names:
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
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


def _replace_files(staging: Path, target: Path, names: Sequence[str]) -> None:
    """Move the files over those of another model.

    If the process is killed here, the directory must not mix two models. So the Transformer's config.json is
    removed first and comes back last: without it, a load refuses the directory as incomplete.
    """
    for name in (names[0], *_other_files(names)):
        if is_there(target / name):
            (target / name).unlink()
    move_into_place(staging, target, names[::-1])
