"""The token ids that a trace is of: from texts, or from another implementation's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minilm._arrays import Int64Array
from minilm._pipeline import Counts
from minilm.model import MiniLM
from minilm.tokenizer import pad
from minilm.trace.files import Tensor, TraceError
from minilm.variants import VARIANTS


class Inputs(NamedTuple):
    """What goes into the encoder: texts in rows, each (B, L)."""

    input_ids: Int64Array
    attention_mask: Int64Array  # 1 for a token, 0 for padding
    token_type_ids: Int64Array

    def rows(self) -> list[list[int]]:
        """Return the token ids of each text, without its padding."""
        return [
            ids[mask != 0].tolist() for ids, mask in zip(self.input_ids, self.attention_mask, strict=True)
        ]


def inputs_of_texts(model: MiniLM, texts: Sequence[str]) -> tuple[Inputs, int]:
    """Tokenize texts as the model does; return how many were cut as well."""
    counts = Counts()
    windows = model.pipeline.tokenize(texts, counts, model.pipeline.prompt_text())
    rows = [row for window in windows for row in window.input_ids]
    ids, mask = pad(rows, pad_token_id=model.pipeline.tokenizer.pad_token_id)
    return Inputs(ids, mask, np.zeros_like(ids)), counts.truncated


def inputs_of_file(model: MiniLM, tensors: Mapping[str, Tensor], path: str) -> Inputs | None:
    """Return the token ids of another trace, checked; None if it has none.

    A text without padding needs neither a mask nor types.
    """
    if "input_ids" not in tensors:
        return None
    ids = _whole_numbers(tensors["input_ids"], "input_ids", path)
    try:
        model.pipeline.check_token_ids(ids.tolist())
    except ValueError as error:
        raise TraceError(f"{path}: {error}") from error
    if "attention_mask" in tensors:
        mask = _whole_numbers(tensors["attention_mask"], "attention_mask", path, like=ids, limit=2)
    elif (ids == (padding := model.pipeline.tokenizer.pad_token_id)).any():
        raise TraceError(f"{path}: input_ids has padding ({padding}), so write attention_mask as well")
    else:
        mask = np.ones_like(ids)
    if not (mask.any(axis=1).all() and len(ids)):
        raise TraceError(f"{path}: attention_mask must be 1 for at least one token of each text")
    types = np.zeros_like(ids)
    if "token_type_ids" in tensors:
        has_types = VARIANTS[model.config.model_type].has_token_types
        limit = model.config.type_vocab_size if has_types else 1
        types = _whole_numbers(tensors["token_type_ids"], "token_type_ids", path, like=ids, limit=limit)
    return Inputs(ids, mask, types)


def _whole_numbers(
    tensor: Tensor, name: str, path: str, *, like: Int64Array | None = None, limit: int | None = None
) -> Int64Array:
    """Return a tensor as whole numbers (B, L); that of a single text may be (L,)."""
    values = tensor.values[None] if tensor.values.ndim == 1 else tensor.values
    if values.ndim != 2 or (like is not None and values.shape != like.shape):
        expected = "(texts, tokens)" if like is None else f"{like.shape}, as input_ids"
        raise TraceError(f"{path}: {name} has the shape {tensor.values.shape}, not {expected}")
    with np.errstate(invalid="ignore"):
        numbers = values.astype(np.int64)
    if not (numbers == values).all():
        raise TraceError(f"{path}: {name} has {values[numbers != values][0]}, which is no whole number")
    if limit is not None and not ((numbers >= 0) & (numbers < limit)).all():
        bad = numbers[(numbers < 0) | (numbers >= limit)][0]
        raise TraceError(f"{path}: {name} has {bad}; its numbers are 0 to {limit - 1}")
    return numbers


def text_difference(theirs: Inputs, ours: Inputs, model: MiniLM) -> str | None:
    """Say where the tokens of the texts first differ; None if they do not. Padding does not count."""
    rows, expected = theirs.rows(), ours.rows()
    if len(rows) != len(expected):
        return f"input_ids has {len(rows)} texts, not {len(expected)}"
    for text, (row, right) in enumerate(zip(rows, expected, strict=True)):
        if row != right:
            place = next(
                (i for i, pair in enumerate(zip(row, right, strict=False)) if len({*pair}) > 1),
                min(len(row), len(right)),
            )
            there, here = (_token(ids, place, model) for ids in (row, right))
            return f"the token ids of text {text} differ at token {place}: {there} there, {here} here"
    if theirs.token_type_ids.any():
        return "token_type_ids has other numbers than 0, the type of all tokens of a single text"
    return None


def _token(row: Sequence[int], place: int, model: MiniLM) -> str:
    if place >= len(row):
        return "nothing"
    return f"{row[place]} ({model.pipeline.tokenizer.backend.id_to_token(row[place])})"
