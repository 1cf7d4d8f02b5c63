"""Checksums: of files in a manifest, of cached files named after their hash, of two checkpoints."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from minilm.checkpoint.files import check_regular, is_there
from minilm.errors import CheckpointError
from minilm.hub.errors import Damaged, Unavailable
from minilm.hub.manifest import OPTIONAL_FILES, Checkpoint, ModelManifest, checkpoint_files, default_manifest


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    return _hash_of(path, hashlib.sha256())


def _hash_of(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 23):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(directory: Path, manifest: ModelManifest) -> None:
    """Raise Unavailable unless ``directory`` has every file of the manifest with the right bytes."""
    try:
        is_directory = stat.S_ISDIR(directory.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_directory = False
    except OSError as error:
        raise Unavailable(f"cannot be read: {error.strerror}") from error
    if not is_directory:
        raise Unavailable("no such directory")
    for name, expected in manifest.sha256.items():
        path = directory / name
        try:
            size = path.stat().st_size
            # a wrong size is enough to know, without a hash of 90 MB
            actual = sha256_of(path) if size == manifest.sizes[name] else f"of a file of {size} bytes"
        except FileNotFoundError:
            raise Unavailable(f"{name} is missing") from None
        except OSError as error:
            raise Unavailable(f"{name} cannot be read: {error.strerror}") from error
        if actual != expected:
            raise Damaged(f"{name} is damaged (sha256 {actual}, not {expected})")


def check_blob_name(path: Path) -> bool:
    """Compare a cached file with its blob's name: sha256 for large files, git's sha1 for others.

    Returns
    -------
    bool
        False if the cache keeps no such name, so that there is nothing to compare.

    Raises
    ------
    CheckpointError
        If the file is damaged or cannot be read.
    """
    check_regular(path)
    blob = path.resolve()
    try:
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            actual = sha256_of(blob)
        elif re.fullmatch("[0-9a-f]{40}", blob.name):
            header = b"blob %d\0" % blob.stat().st_size
            actual = _hash_of(blob, hashlib.sha1(header, usedforsecurity=False))
        else:  # a cache without symbolic links, as on Windows without developer mode
            return False
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    if actual != blob.name:
        raise CheckpointError(
            f"{path} is damaged (its hash is {actual}, not {blob.name}): delete {blob} and run again"
        )
    return True


def is_copy_of_default(directory: Path) -> bool:
    """Whether a directory has the default model's files with the right bytes, and no further settings."""
    manifest = default_manifest()
    if any(is_there(directory / name) for name in OPTIONAL_FILES if name not in manifest.sha256):
        return False
    try:
        check_sha256(directory, manifest)
    except Unavailable:
        return False
    return True


def sha256_of_files(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every file that minilm reads of a checkpoint, by name."""
    return {name: sha256_of(checkpoint.directory / name) for name in sorted(checkpoint_files(checkpoint))}


def different_files(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Names of the files that differ between two checkpoints, from their :func:`sha256_of_files`.

    The optional files that the default model's manifest leaves out count only where both have them. A clone
    of its repository has these files, and they repeat the defaults.
    """
    optional = {*OPTIONAL_FILES} - {*default_manifest().sha256}
    names = {*first, *second} - (optional & ({*first} ^ {*second}))
    return sorted(name for name in names if first.get(name) != second.get(name))
