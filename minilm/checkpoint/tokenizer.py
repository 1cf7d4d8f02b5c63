"""What a tokenizer puts around a text, checked before it meets one.

The ``tokenizers`` library takes a post-processor as it is written: ids beyond the vocabulary, a template that
drops the text, names that nothing stands for. The first would read another word's row; at the others it
breaks off in Rust, with more lines on stderr than one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from minilm.checkpoint.files import quoted
from minilm.errors import CheckpointError


def check_special_tokens(tokenizer: Tokenizer, path: Path, vocab_size: int, max_seq_length: int) -> None:
    """Raise a CheckpointError unless every text, also an empty one, becomes tokens that the model has.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    path : Path
        Its file, for the message.
    vocab_size : int
        Rows of the word embedding table.
    max_seq_length : int
        Tokens that are kept of a text.
    """
    if tokenizer.post_processor is None:
        raise CheckpointError(f"{path} has no post_processor: an empty text would have no token at all")
    for processor in _processors(json.loads(tokenizer.post_processor.__getstate__())):
        kind = processor["type"]
        if kind == "TemplateProcessing":
            ids = _template_ids(processor, path)
        else:  # BertProcessing and RobertaProcessing have a token and its id each; others add none
            ids = [processor[name][1] for name in ("cls", "sep") if name in processor]
        if max(ids, default=0) >= vocab_size:
            raise CheckpointError(
                f"{path} adds the token id {max(ids)} to every text, but the model's vocabulary has "
                f"{vocab_size} rows"
            )
    added = tokenizer.num_special_tokens_to_add(is_pair=False)
    if not 0 < added < max_seq_length:
        raise CheckpointError(
            f"{path} adds {added} tokens to every text, and must add at least 1 and fewer than the "
            f"{max_seq_length} that are kept of it (max_seq_length)"
        )


def _processors(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A post-processor, or each one of a sequence of them."""
    if fields["type"] == "Sequence":
        for inner in fields["processors"]:
            yield from _processors(inner)
    else:
        yield fields


def _template_ids(template: dict[str, Any], path: Path) -> list[int]:
    """Ids that a template adds, if it has the text in it, and of a pair both, each once."""
    special = template["special_tokens"]
    for name, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = template[name]
        found = sorted(piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece)
        if found != texts:
            raise CheckpointError(
                f"{path}: the template {name!r} takes the texts {quoted(found)}, not {texts}"
            )
        for piece in pieces:
            if "SpecialToken" in piece and (unknown := piece["SpecialToken"]["id"]) not in special:
                raise CheckpointError(
                    f"{path}: the template {name!r} names {quoted(unknown)}, which is no token"
                )
    return [token_id for token in special.values() for token_id in token["ids"]]
