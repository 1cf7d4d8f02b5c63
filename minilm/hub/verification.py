"""Files held to their checksums: those of the manifest, or the one that a cached file is named after."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

from minilm.checkpoint.files import check_regular
from minilm.errors import CheckpointError
from minilm.hub.errors import Damaged, Unavailable
from minilm.hub.manifest import Manifest


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    return _hash_of(path, hashlib.sha256())


def _hash_of(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 23):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(directory: Path, manifest: Manifest) -> None:
    """Raise Unavailable unless ``directory`` has every file of the manifest, to the bit."""
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
            # a wrong size says it without reading 90 MB
            actual = sha256_of(path) if size == manifest.sizes[name] else f"of a file of {size} bytes"
        except FileNotFoundError:
            raise Unavailable(f"{name} is missing") from None
        except OSError as error:
            raise Unavailable(f"{name} cannot be read: {error.strerror}") from error
        if actual != expected:
            raise Damaged(f"{name} is damaged (sha256 {actual}, not {expected})")


def check_blob_name(path: Path) -> bool:
    """Hold a cached file to its blob's name: sha256 for large files, git's sha1 for others.

    False if there is no such name to hold it to.
    """
    check_regular(path)
    blob = path.resolve()
    try:
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            actual = sha256_of(blob)
        elif re.fullmatch("[0-9a-f]{40}", blob.name):
            header = b"blob %d\0" % blob.stat().st_size
            actual = _hash_of(blob, hashlib.sha1(header, usedforsecurity=False))
        else:  # a cache without links (Windows without developer mode) does not keep the hash
            return False
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    if actual != blob.name:
        raise CheckpointError(
            f"{path} is damaged (its hash is {actual}, not {blob.name}): delete {blob} and run again"
        )
    return True
