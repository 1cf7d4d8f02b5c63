"""From a model's name to all that encodes with it: the files are read while they are being checked."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from minilm.checkpoint.config import read_config
from minilm.checkpoint.heads import Dense, load_dense
from minilm.checkpoint.weights import ParameterFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.fast.blas import has_small_matrix_kernels
from minilm.fast.packed import PackedParameters, pack_parameters
from minilm.hub import REQUIRED_FILES, Checkpoint, find_checkpoint, likely_directory
from minilm.tokenizer import Tokenizer


class Parts(NamedTuple):
    """What a checkpoint is made of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    dense: list[Dense]


def load(
    model_name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_folder: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> tuple[Checkpoint, Parts]:
    """Find a checkpoint, check it and read it; the arguments are those of :func:`minilm.hub.find_checkpoint`.

    Raises
    ------
    CheckpointNotFoundError
        If it is nowhere to be had.
    CheckpointError
        If it is damaged or of a kind that is not supported.
    """
    likely = likely_directory(model_name_or_path, revision=revision, cache_folder=cache_folder)
    before = _file_identity(likely)
    parts = None
    # The files are read while they are hashed; what was read counts only if it was those very files. It is
    # the reading that has a thread of its own: it ends by itself, and what may wait for a network or for
    # another process stays where Ctrl-C is heard.
    with ThreadPoolExecutor(1) as executor:
        reading = None if likely is None else executor.submit(_read, likely)
        checkpoint = find_checkpoint(
            model_name_or_path,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        if reading is not None:
            with suppress(CheckpointError):
                parts = reading.result()
    if parts is None or before is None or before != _file_identity(checkpoint.directory):
        parts = _read(checkpoint.directory)
    return checkpoint, parts


def _read(directory: Path) -> Parts:
    config = read_config(directory)
    parameters = pack_parameters(
        ParameterFile(directory / "model.safetensors", config), config, in_panels=has_small_matrix_kernels()
    )
    tokenizer = Tokenizer(
        directory / "tokenizer.json",
        vocab_size=config.vocab_size,
        max_seq_length=config.max_seq_length,
        do_lower_case=config.do_lower_case,
    )
    dense = [load_dense(directory / folder) for folder in config.dense]
    _check_widths(config, dense, directory)
    return Parts(config, parameters, tokenizer, dense)


def _check_widths(config: ModelConfig, dense: list[Dense], directory: Path) -> None:
    width = config.hidden_size * len(config.pooling)
    for folder, module in zip(config.dense, dense, strict=True):
        if module.weight.shape[0] != width:
            takes = f"takes embeddings of width {module.weight.shape[0]}"
            raise CheckpointError(f"{directory / folder} {takes}, but gets such of width {width}")
        width = module.weight.shape[1]


def _file_identity(directory: Path | None) -> list[tuple[int, int, int]] | None:
    """What tells a checkpoint's files from others that take their place."""
    if directory is None:
        return None
    try:
        stats = [(directory / name).stat() for name in REQUIRED_FILES]
    except OSError:
        return None
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]
