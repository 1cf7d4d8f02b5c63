"""What follows the encoder in a ColBERT checkpoint: modules for each token, and how queries are filled up."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

from minilm.checkpoint.config import Settings
from minilm.checkpoint.files import Fields, check_keys, quoted
from minilm.checkpoint.heads import read_dense
from minilm.checkpoint.keys import MULTI_VECTOR_MASK, QUERY_EXPANSION, TOKEN_DENSE, TOKEN_NORMALIZE
from minilm.checkpoint.modules import Modules
from minilm.config import ModelConfig
from minilm.errors import CheckpointError, CheckpointWarning
from minilm.fast.expanding import QueryExpansion
from minilm.heads import Dense, Step, TokenHead
from minilm.pooling import normalize
from minilm.tokenizer import Tokenizer

SpecialId = Callable[[str], int | None]  # from a name such as "mask_token" to its id, if there is one
_SHORTEST = 3  # [CLS], a token and [SEP]


class Lengths(NamedTuple):
    """Tokens that are kept of a query and of a document; None is ``max_seq_length``."""

    query: int | None
    document: int | None


def read_token_head(settings: Settings, config: ModelConfig, tokenizer: Tokenizer) -> TokenHead:
    """Read the Dense, Normalize and MultiVectorMask modules; refuse what is not computed here."""
    modules = settings.modules or Modules()  # read_settings refuses a checkpoint without
    width, steps = config.hidden_size, []
    for name, folder in modules.steps:
        step = _read_step(name, settings, folder)
        if isinstance(step, Dense):
            if len(step.weight) != width:
                place, takes = settings.directory / folder, len(step.weight)
                raise CheckpointError(f"{place} takes vectors of width {takes}, but gets width {width}")
            width = len(step.bias)
        steps.append(step)
    if not modules.mask:
        return TokenHead(config.hidden_size, steps)
    mask = Fields(settings.directory / modules.mask / "config.json", MULTI_VECTOR_MASK, optional=True)
    tasks = mask.values.get("skiplist_tasks", ["document"])
    tasks = [tasks] if isinstance(tasks, str) else tasks
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        raise mask.error(f"skiplist_tasks must be a list of names, not {quoted(tasks)}")
    return TokenHead(
        config.hidden_size,
        steps,
        _skipped_ids(mask, tokenizer),
        frozenset(tasks),
        _kept_ids(mask, config.vocab_size),
    )


def _read_step(name: str, settings: Settings, folder: str) -> Step:
    directory = settings.directory / folder
    if name == "Dense":
        return read_dense(directory, TOKEN_DENSE)
    fields = Fields(directory / "config.json", TOKEN_NORMALIZE, optional=True)
    if "module_input_name" not in fields.values:  # sentence-transformers would scale nothing
        raise fields.error("module_input_name is missing, and must be 'token_embeddings'")
    return normalize


def _skipped_ids(mask: Fields, tokenizer: Tokenizer) -> tuple[int, ...]:
    words = mask.optional("skiplist_words", list) or []
    if not all(isinstance(word, str) for word in words):
        raise mask.error(f"skiplist_words must be a list of tokens, not {quoted(words)}")
    ids = {word: _token_id(tokenizer, word) for word in words}
    if unknown := [word for word, index in ids.items() if index is None]:
        message = f"{mask.path}: skiplist_words {quoted(unknown)} are no tokens, and so leave nothing out"
        warnings.warn(message, CheckpointWarning, stacklevel=2)
    return tuple(index for index in ids.values() if index is not None)


def _token_id(tokenizer: Tokenizer, token: str) -> int | None:
    try:
        return tokenizer.backend.token_to_id(token)
    except (TypeError, UnicodeEncodeError):  # a lone surrogate is in no vocabulary
        return None


def _kept_ids(mask: Fields, vocab_size: int) -> tuple[int, ...]:
    ids = mask.optional("keep_only_token_ids", list) or []
    if not all(type(index) is int and 0 <= index < vocab_size for index in ids):
        raise mask.error(f"keep_only_token_ids must be a list of token ids, not {quoted(ids)}")
    return tuple(ids)


def read_lengths(settings: Settings, config: ModelConfig) -> Lengths:
    """Read how much of a query and of a document is kept."""
    fields = settings.transformer
    given = [name for name in ("query_length", "document_length", "query_expansion") if name in fields.values]
    if given and "max_length" in settings.text_kwargs:
        raise fields.error(f"{given[0]} beside max_length in processing_kwargs is not supported: remove one")
    query, document = (
        _length(fields, name, config) if name in given else None
        for name in ("query_length", "document_length")
    )
    return Lengths(query, document)


def _length(fields: Fields, name: str, config: ModelConfig) -> int:
    return fields.positive_int(name, least=_SHORTEST, most=config.longest_input)


def read_query_expansion(
    settings: Settings,
    config: ModelConfig,
    tokenizer: Tokenizer,
    special_id: SpecialId,
) -> QueryExpansion | None:
    """Read how queries are filled up; None if they are not. ``special_id`` gives the id of ``mask_token``."""
    given = settings.transformer.optional("query_expansion", dict)
    if given is None:
        return None
    path = settings.transformer.path
    check_keys(path, given, QUERY_EXPANSION, "query_expansion.")
    fields = Fields.of(path, {f"query_expansion.{name}": value for name, value in given.items()})
    if not (settings.modules and settings.modules.mask):
        raise fields.error("query_expansion without a MultiVectorMask module, which counts its tokens")
    strategy = fields.one_of("query_expansion.strategy", ("fixed", "min"), default="")
    length = _length(fields, "query_expansion.length", config)
    attend = fields.boolean("query_expansion.attend", default=False)
    query_length = settings.transformer.values.get("query_length")
    if query_length is not None and query_length < length:
        raise fields.error(f"query_length {query_length} is less than query_expansion.length {length}")
    token = given.get("token")
    if token is None:
        ids = [special_id("mask_token"), special_id("eos_token")]
        token_id = next((index for index in ids if index is not None), None)
    else:
        token_id = _token_id(tokenizer, token) if isinstance(token, str) else None
    if token_id is None:
        raise fields.error(f"query_expansion.token {quoted(token)} is not in the vocabulary")
    return QueryExpansion(length, token_id, strategy == "fixed", attend)
