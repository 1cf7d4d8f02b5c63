"""From a model's name to the parts that encode with it. The files are read while they are being hashed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from minilm._arrays import no_float_errors
from minilm.activations import Activation
from minilm.checkpoint.config import read_config
from minilm.checkpoint.heads import (
    classifier_shapes,
    has_token_types,
    read_classifier,
    read_dense_modules,
    read_num_labels,
    read_score_activation,
)
from minilm.checkpoint.prompts import PromptFields, read_prompts
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.checkpoint.weights import ParameterFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.fast.blas import has_small_matrix_kernels
from minilm.fast.parameters import PackedParameters, pack_parameters
from minilm.fast.threads import join_threads, start_threads
from minilm.heads import ClassificationHead, EmbeddingHead
from minilm.hub import REQUIRED_FILES, Checkpoint, find_checkpoint, likely_directory
from minilm.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from minilm._arguments import Source

T = TypeVar("T")


class EmbedderParts(NamedTuple):
    """What a sentence encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: EmbeddingHead


class CrossEncoderParts(NamedTuple):
    """What a cross-encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: ClassificationHead
    activation_fn: Activation
    has_token_types: bool


@no_float_errors
def load(
    model_name_or_path: str | os.PathLike[str],
    read: Callable[[Path], T],
    **source: Unpack[Source],
) -> tuple[Checkpoint, PromptFields, T]:
    """Find a checkpoint as :func:`minilm.hub.find_checkpoint` does, and read it.

    ``read`` is :func:`read_embedder` or :func:`read_cross_encoder`.
    """
    # a cross-encoder that is named without an owner is one of theirs
    organization = "cross-encoder" if read is read_cross_encoder else "sentence-transformers"
    likely = likely_directory(
        model_name_or_path, revision=source.get("revision"), cache_folder=source.get("cache_folder")
    )
    if likely is None:
        checkpoint = find_checkpoint(model_name_or_path, organization=organization, **source)
        return checkpoint, _read_prompts(checkpoint), read(checkpoint.directory)
    identity = _file_identity(likely)
    # The parts count only if the files did not change between reading and hashing. The main thread hashes:
    # it may wait for a network or for another process, and only the main thread receives Ctrl-C.
    read_parts: list[T] = []

    def read_early(_: int) -> None:
        with suppress(Exception):  # the files are read again below, which raises it there
            read_parts.append(read(likely))

    reading: list[threading.Thread] = []
    try:
        start_threads(read_early, 1, reading)
        checkpoint = find_checkpoint(model_name_or_path, organization=organization, **source)
    finally:
        join_threads(reading)
    parts = read_parts[0] if read_parts else None
    if parts is None or identity is None or identity != _file_identity(checkpoint.directory):
        parts = read(checkpoint.directory)
    return checkpoint, _read_prompts(checkpoint), parts


def read_embedder(directory: Path) -> EmbedderParts:
    """Read the parts of a sentence encoder."""
    config = read_config(directory)
    tensors = ParameterFile(directory / "model.safetensors", config)
    parameters, tokenizer = _read_encoder(directory, config, tensors)
    dense = read_dense_modules(directory, config) if config.dense else ()
    head = EmbeddingHead(config.hidden_size, config.pooling, dense)
    return EmbedderParts(config, parameters, tokenizer, head)


def read_cross_encoder(directory: Path) -> CrossEncoderParts:
    """Read the parts of a cross-encoder."""
    config = read_config(directory, is_cross_encoder=True)
    num_labels = read_num_labels(directory)
    tensors = ParameterFile(
        directory / "model.safetensors", config, head=classifier_shapes(config, num_labels)
    )
    head = read_classifier(tensors)
    parameters, tokenizer = _read_encoder(directory, config, tensors)
    uses_types = has_token_types(directory)
    [(*_, last_type)] = tokenizer.pairs([("", "a")]).token_type_ids or []
    if uses_types and last_type >= config.type_vocab_size:
        raise CheckpointError(
            f"{directory / 'tokenizer.json'} has token types up to {last_type}, but config.json has "
            f"type_vocab_size {config.type_vocab_size}"
        )
    activation_fn = read_score_activation(directory, num_labels)
    return CrossEncoderParts(config, parameters, tokenizer, head, activation_fn, uses_types)


def _read_prompts(checkpoint: Checkpoint) -> PromptFields:
    # the default model's manifest does not name this file, so it has no checksum and is not read
    if checkpoint.is_default:
        return PromptFields({"query": "", "document": ""})
    return read_prompts(checkpoint.directory)


def _read_encoder(
    directory: Path, config: ModelConfig, tensors: ParameterFile
) -> tuple[PackedParameters, Tokenizer]:
    tokenizer = open_tokenizer(
        directory / "tokenizer.json",
        vocab_size=config.vocab_size,
        max_seq_length=config.max_seq_length,
        do_lower_case=config.do_lower_case,
    )
    return pack_parameters(tensors, config, in_panels=has_small_matrix_kernels()), tokenizer


def _file_identity(directory: Path) -> list[tuple[int, int, int]] | None:
    """Return inode, size and time of each required file, to notice a replaced one; None if one is missing."""
    try:
        stats = [(directory / name).stat() for name in REQUIRED_FILES]
    except OSError:
        return None
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]
