"""A checkpoint's ``tokenizer.json``, opened and checked before it meets a text.

The ``tokenizers`` library takes a post-processor as it is written: ids beyond the vocabulary, a template that
drops the text, names of unknown tokens. An id beyond the vocabulary would read another word's row. At the
others the library panics in Rust, with several lines on stderr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import normalizers

from minilm.checkpoint.files import check_regular, quoted
from minilm.errors import CheckpointError, one_line
from minilm.tokenizer import Tokenizer, is_panic

# LaBSE's tokenizer.json, with half a million words, has 10 million bytes.
MAX_BYTES = 64 << 20

# Texts that show at once whether a tokenizer lacks a part: one that is probably in its vocabulary, one not.
_PROBES = ("a", "\N{RUNIC LETTER FEHU FEOH FE F}\N{SNOWMAN}")

# A normalizer that lowers the case, in a tokenizer.json.
_LOWERS = r'"type":"Lowercase"|"lowercase":true'


def open_tokenizer(
    path: Path, *, vocab_size: int, max_seq_length: int, do_lower_case: bool = False
) -> Tokenizer:
    """Read a ``tokenizer.json``, and check that every text becomes ids below ``vocab_size``.

    Texts are cut to ``max_seq_length`` tokens, special tokens included. ``do_lower_case`` lowers their case
    first, unless the tokenizer does so by itself.
    """
    check_regular(path, max_bytes=MAX_BYTES)
    try:
        backend = Backend.from_file(str(path))
        largest_id = max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
        if not 0 <= largest_id < vocab_size:
            raise CheckpointError(
                f"{path} has token ids up to {largest_id}, but the model's vocabulary has {vocab_size} rows"
            )
        _check_special_tokens(backend, path, vocab_size, max_seq_length)
        if do_lower_case and not re.search(_LOWERS, backend.to_str()):
            steps = [] if backend.normalizer is None else [backend.normalizer]
            backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
        backend.no_padding()
        backend.enable_truncation(max_length=max_seq_length)
        for text in _PROBES:
            backend.encode(text)
    except CheckpointError:
        raise
    except BaseException as error:
        # the library raises a bare Exception, or panics, for every kind of bad file
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise CheckpointError(f"{path} cannot be read as a tokenizer: {one_line(error)}") from error
    return Tokenizer(backend, path, max_seq_length)


def _check_special_tokens(backend: Backend, path: Path, vocab_size: int, max_seq_length: int) -> None:
    """Refuse a post-processor unless every text, also an empty one, becomes tokens that the model has."""
    if backend.post_processor is None:
        raise CheckpointError(f"{path} has no post_processor: an empty text would have no token at all")
    for processor in _processors(json.loads(backend.post_processor.__getstate__())):
        if processor["type"] == "TemplateProcessing":
            ids = _template_ids(processor, path)
        else:  # BertProcessing and RobertaProcessing name two tokens with their ids; others add none
            ids = [processor[name][1] for name in ("cls", "sep") if name in processor]
        if max(ids, default=0) >= vocab_size:
            raise CheckpointError(
                f"{path} adds the token id {max(ids)} to every text, but the model's vocabulary has "
                f"{vocab_size} rows"
            )
    added = backend.num_special_tokens_to_add(is_pair=False)
    if not 0 < added < max_seq_length:
        raise CheckpointError(
            f"{path} adds {added} tokens to every text, and must add at least 1 and fewer than the "
            f"{max_seq_length} that are kept of it (max_seq_length)"
        )


def _processors(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a post-processor, or each one of a sequence of them."""
    if fields["type"] == "Sequence":
        for inner in fields["processors"]:
            yield from _processors(inner)
    else:
        yield fields


def _template_ids(template: dict[str, Any], path: Path) -> list[int]:
    """Return the ids that a template adds, if it has each of its texts exactly once."""
    special = template["special_tokens"]
    for name, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = template[name]
        ids = sorted(piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece)
        if ids != texts:
            raise CheckpointError(f"{path}: the template {name!r} takes the texts {quoted(ids)}, not {texts}")
        for piece in pieces:
            if "SpecialToken" in piece and (token := piece["SpecialToken"]["id"]) not in special:
                raise CheckpointError(
                    f"{path}: the template {name!r} names {quoted(token)}, which is no token"
                )
    return [token_id for token in special.values() for token_id in token["ids"]]
