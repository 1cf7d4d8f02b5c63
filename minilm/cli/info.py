"""``minilm info``: versions, weights, and what numpy runs on."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from minilm import __version__
from minilm.cli.options import add_source_options, locate_model, published_checksums
from minilm.cli.terminal import put, put_json
from minilm.cross_encoder import CrossEncoder
from minilm.errors import CheckpointError, CheckpointNotFoundError
from minilm.fast.blas import blas_info, kernel_advice
from minilm.fast.cores import available_cores
from minilm.hub import DEFAULT_MODEL, is_copy_of_default, is_repository_name, sha256_of_files
from minilm.model import MiniLM


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm info``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_source_options(parser)


def run_info(options: argparse.Namespace) -> None:
    """Run ``minilm info``."""
    packages = ("numpy", "safetensors", "tokenizers", "huggingface-hub")
    report = {
        "minilm": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
        "blas": str(blas_info()),
        "advice": kernel_advice() or "none: the BLAS kernel fits the CPU",
        "cores": available_cores(),
        "model": options.model,
        **_weights(options),
    }
    if options.json:
        put_json(report)
    else:
        for key, value in report.items():
            put(f"{key:<16} {value}")


def _weights(options: argparse.Namespace) -> dict[str, Any]:
    """Return where the weights are and whether they are the published ones."""
    options.local_files_only = True
    try:
        checkpoint = locate_model(options)
    except CheckpointNotFoundError:
        if not is_repository_name(options.model):  # nothing could download it
            raise
        return {"weights": "not on this machine; `minilm download` fetches them"}
    files = sha256_of_files(checkpoint)
    weights = {name: sha256 for name, sha256 in files.items() if name.endswith(".safetensors")}
    return {
        "weights": f"{checkpoint.source}: {checkpoint.directory}",
        "revision": checkpoint.revision or "none: a directory given explicitly",
        "sha256": weights.get("model.safetensors", weights),
        "checked": published_checksums(checkpoint) if checkpoint.verified else _inspect(checkpoint.directory),
    }


def _inspect(directory: Path) -> str:
    """Say whether a directory without published checksums can be loaded; raise if it is damaged."""
    if is_copy_of_default(directory):
        return f"every file has the checksum published for {DEFAULT_MODEL}"
    kinds: list[str] = []
    errors: list[CheckpointError] = []
    for name, load in (("an embedder", MiniLM), ("a cross-encoder", CrossEncoder)):
        try:
            load(directory)
            kinds.append(name)
        except CheckpointError as error:
            errors.append(error)
    if not kinds:
        raise errors[0]
    return f"it can be read as {' and as '.join(kinds)}; there is no published checksum for it"
