"""From a model's name to the parts that encode with it. The files are read while they are being hashed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from minilm._arguments import positive_int
from minilm._arrays import no_float_errors
from minilm.activations import Activation
from minilm.checkpoint.config import PromptFields, Settings, model_config, read_prompts, read_settings
from minilm.checkpoint.heads import (
    classifier_shapes,
    masked_lm_shapes,
    read_classifier,
    read_num_labels,
    read_score_activation,
    read_splade,
    read_splade_pooling,
    read_steps,
)
from minilm.checkpoint.modules import Kind
from minilm.checkpoint.multi_vector import Lengths, read_lengths, read_query_expansion, read_token_head
from minilm.checkpoint.tensors import tensor_names
from minilm.checkpoint.tokenizer import open_tokenizer, special_token_id, tokenizer_file
from minilm.checkpoint.tokenizer_classes import TokenizerClass, tokenizer_class
from minilm.checkpoint.weights import ParameterFile, weight_files
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.fast.blas import has_small_matrix_kernels
from minilm.fast.cores import available_cores, join_threads, start_threads
from minilm.fast.engine import Engine
from minilm.fast.expanding import QueryExpansion
from minilm.fast.parameters import PackedParameters, pack_parameters
from minilm.heads import ClassificationHead, EmbeddingHead, SpladeHead, TokenHead
from minilm.hub import REQUIRED_FILES, Checkpoint, find_checkpoint, likely_directory
from minilm.similarity import TOKEN_SIMILARITY
from minilm.tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from minilm._arguments import Source


class EmbedderParts(NamedTuple):
    """What a sentence encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: EmbeddingHead
    prompts: PromptFields


class CrossEncoderParts(NamedTuple):
    """What a cross-encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: ClassificationHead
    activation_fn: Activation
    prompts: PromptFields


class SparseEncoderParts(NamedTuple):
    """What a sparse encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: SpladeHead
    prompts: PromptFields
    max_active_dims: int | None


class MultiVectorEncoderParts(NamedTuple):
    """What a multi-vector encoder's checkpoint consists of."""

    config: ModelConfig
    parameters: PackedParameters
    tokenizer: Tokenizer
    head: TokenHead
    prompts: PromptFields
    lengths: Lengths
    expansion: QueryExpansion | None
    weights: Path  # the file of the encoder's parameters


T = TypeVar("T", EmbedderParts, CrossEncoderParts, SparseEncoderParts, MultiVectorEncoderParts)


@no_float_errors
def load(
    model_name_or_path: str | os.PathLike[str],
    read: Callable[[Path, bool], T],
    **source: Unpack[Source],
) -> tuple[Checkpoint, T]:
    """Find a checkpoint as :func:`minilm.hub.find_checkpoint` does, and read it.

    ``read`` is one of the functions below.
    """
    # a cross-encoder that is named without an owner is one of theirs
    organization = "cross-encoder" if read is read_cross_encoder else "sentence-transformers"
    given: object = model_name_or_path
    if not isinstance(given, (str, os.PathLike)):
        kind = type(given).__name__
        raise TypeError(f"model_name_or_path must be a directory or a name on the Hub, not {kind}")
    likely = likely_directory(
        model_name_or_path, revision=source.get("revision"), cache_folder=source.get("cache_folder")
    )
    if likely is None:
        checkpoint = find_checkpoint(model_name_or_path, organization=organization, **source)
        return checkpoint, read(checkpoint.directory, checkpoint.is_default)
    identity = _file_identity(likely)
    # The parts count only if the files did not change between reading and hashing. The main thread hashes:
    # it may wait for a network or for another process, and only the main thread receives Ctrl-C.
    early: list[T] = []

    def read_early(_: int) -> None:
        with suppress(Exception):  # the files are read again below, which raises it there
            early.append(read(likely, True))

    reading: list[threading.Thread] = []
    try:
        start_threads(read_early, 1, reading)
        checkpoint = find_checkpoint(model_name_or_path, organization=organization, **source)
    finally:
        join_threads(reading)
    if early and identity is not None and identity == _file_identity(checkpoint.directory):
        return checkpoint, early[0]
    return checkpoint, read(checkpoint.directory, checkpoint.is_default)


def make_engine(checkpoint: Checkpoint, parameters: PackedParameters, threads: int | None) -> Engine:
    """Put a checkpoint's parameters to work on that many cores; None is all that this process may use."""
    cores = available_cores() if threads is None else positive_int("threads", threads)
    return Engine(parameters, cores, checkpoint.directory / "model.safetensors")


def read_embedder(directory: Path, is_default: bool = False) -> EmbedderParts:
    """Read the parts of a sentence encoder; of the default model only the files of its manifest."""
    settings = read_settings(directory, is_default=is_default)
    config = model_config(settings)
    tensors = ParameterFile(settings.folder / "model.safetensors", config)
    kind = tokenizer_class(settings.tokenizer, settings.bert)
    parameters, tokenizer = _read_encoder(settings, config, tensors, kind)
    if tokenizer.has_token_types and any(tokenizer.backend.encode("a").type_ids):
        raise CheckpointError(f"{tokenizer.path}: the post_processor gives a single text other types than 0")
    width = config.hidden_size * len(config.pooling)
    modules = settings.modules
    steps = read_steps(directory, modules, width) if modules and modules.steps else ()
    head = EmbeddingHead(config.hidden_size, config.pooling, steps)
    return EmbedderParts(config, parameters, tokenizer, head, read_prompts(settings.sentence_transformers))


def read_cross_encoder(directory: Path, is_default: bool = False) -> CrossEncoderParts:
    """Read the parts of a cross-encoder."""
    settings = read_settings(directory, kind="CrossEncoder", is_default=is_default)
    config = model_config(settings, kind="CrossEncoder")
    num_labels = read_num_labels(settings)
    path = settings.folder / "model.safetensors"
    tensors = ParameterFile(path, config, head=classifier_shapes(config, num_labels))
    head = read_classifier(tensors, config)
    kind = tokenizer_class(settings.tokenizer, settings.bert)
    parameters, tokenizer = _read_encoder(settings, config, tensors, kind)
    [(*_, last_type)] = tokenizer.pairs([("", "a")]).token_type_ids or []
    if tokenizer.has_token_types and last_type >= config.type_vocab_size:
        raise CheckpointError(
            f"{tokenizer.path} has token types up to {last_type}, but config.json has "
            f"type_vocab_size {config.type_vocab_size}"
        )
    activation_fn = read_score_activation(settings, num_labels)
    prompts = read_prompts(settings.sentence_transformers, known=())
    return CrossEncoderParts(config, parameters, tokenizer, head, activation_fn, prompts)


def read_sparse_encoder(directory: Path, is_default: bool = False) -> SparseEncoderParts:
    """Read the parts of a sparse encoder."""
    settings = read_settings(directory, kind="SparseEncoder", is_default=is_default)
    config, pooling = model_config(settings, kind="SparseEncoder"), read_splade_pooling(settings)
    path = settings.folder / "model.safetensors"
    present = {name for file in weight_files(path) for name in tensor_names(file)}
    tensors = ParameterFile(path, config, head=masked_lm_shapes(config, present))
    head = read_splade(tensors, config, pooling)
    kind = tokenizer_class(settings.tokenizer, settings.bert)
    parameters, tokenizer = _read_encoder(settings, config, tensors, kind)
    own = settings.sentence_transformers
    prompts = read_prompts(own, similarity_fn_name="dot")
    most = own.positive_int("max_active_dims") if "max_active_dims" in own.values else None
    return SparseEncoderParts(config, parameters, tokenizer, head, prompts, most)


def read_multi_vector_encoder(directory: Path, is_default: bool = False) -> MultiVectorEncoderParts:
    """Read the parts of a multi-vector encoder."""
    kind: Kind = "MultiVectorEncoder"
    settings = read_settings(directory, kind=kind, is_default=is_default)
    config, weights = model_config(settings, kind=kind), settings.folder / "model.safetensors"
    token_class = tokenizer_class(settings.tokenizer, settings.bert)
    parameters, tokenizer = _read_encoder(settings, config, ParameterFile(weights, config), token_class)

    def special_id(name: str) -> int | None:
        return special_token_id(tokenizer.backend, name, settings.tokenizer, token_class)

    prompts = read_prompts(
        settings.sentence_transformers, similarity_fn_name="maxsim", similarities=TOKEN_SIMILARITY
    )
    return MultiVectorEncoderParts(
        config,
        parameters,
        tokenizer,
        read_token_head(settings, config, tokenizer),
        prompts,
        read_lengths(settings, config),
        read_query_expansion(settings, config, tokenizer, special_id),
        weights,
    )


def _read_encoder(
    settings: Settings, config: ModelConfig, tensors: ParameterFile, kind: TokenizerClass
) -> tuple[PackedParameters, Tokenizer]:
    tokenizer = open_tokenizer(
        tokenizer_file(settings.folder, kind),
        vocab_size=config.vocab_size,
        max_seq_length=config.max_seq_length,
        do_lower_case=config.do_lower_case,
        settings=settings.tokenizer,
        kind=kind,
    )
    return pack_parameters(tensors, config, in_panels=has_small_matrix_kernels()), tokenizer


def _file_identity(directory: Path) -> list[tuple[int, int, int]] | None:
    """Return inode, size and time of each required file, to notice a replaced one; None if one is missing."""
    try:
        stats = [(directory / name).stat() for name in REQUIRED_FILES]
    except OSError:
        return None
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]
