"""One vector for a text that is longer than the model reads: the mean of the vectors of its pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilm._arguments import unknown_name
from minilm._arrays import as_tensors
from minilm.pooling import normalize
from minilm.quantization import quantize_embeddings, truncate_embeddings
from minilm.text.inputs import as_texts, item_text
from minilm.text.pieces import Piece, split

LONG_TEXTS = ("cut", "split")


def encode_long_texts(model: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - a MiniLM, and as encode
    """Return what ``model.encode(**options)`` returns, with every text that it would cut encoded in pieces.

    The vector of such a text is the mean of its pieces' vectors, each weighted by its number of tokens. Mean
    pooling weights them so too. It is scaled to length 1 if the model's embeddings are. A text that is not
    cut has the vector that ``encode`` gives it.
    """
    output_value = options.get("output_value", "sentence_embedding")
    if output_value != "sentence_embedding":
        raise ValueError(f"long_texts='split' gives one vector per text, not output_value={output_value!r}")
    inputs, is_single = as_texts(options.pop("inputs"))
    texts = [item_text(index, item) for index, item in enumerate(inputs)]
    prompt_text = model.resolve_prompt(options["prompt"], options["prompt_name"])
    pieces = _pieces(model, texts, prompt_text)
    if all(len(row) == 1 for row in pieces):
        return model.encode(texts[0] if is_single else texts, **options)
    truncate_dim, precision = options.pop("truncate_dim", None), options.pop("precision", None)
    as_tensor = options.pop("convert_to_tensor", False)
    as_numpy = options.pop("convert_to_numpy", True) and not as_tensor
    is_normalized = options.pop("normalize_embeddings", False)
    width = model.head.width(options.get("pooling"))  # the whole vectors are cut after the mean only
    vectors = model.encode([piece.text for row in pieces for piece in row], **options, truncate_dim=width)
    starts = np.cumsum([0, *map(len, pieces)])  # (n + 1,)
    embeddings = vectors[starts[:-1]]  # (n, E)
    for index, row in enumerate(pieces):
        if len(row) > 1:
            own = vectors[starts[index] : starts[index + 1]]
            mean = np.average(own, axis=0, weights=[piece.tokens for piece in row])  # (E,), in float64
            embeddings[index] = normalize(mean[None])[0] if model.normalize else mean
    embeddings = truncate_embeddings(embeddings, truncate_dim or model.truncate_dim)
    if is_normalized:
        embeddings = normalize(embeddings)
    if precision not in (None, "float32"):
        embeddings = quantize_embeddings(embeddings, precision)
    result = embeddings[0] if is_single else embeddings
    return result if as_numpy else as_tensors(result, as_tensor or is_single)


def splits_long_texts(options: dict[str, Any]) -> bool:
    """Take ``long_texts`` out of the options of a call, and return whether it is "split"."""
    value = options.pop("long_texts", "cut")
    if value not in LONG_TEXTS:
        raise unknown_name("long_texts", value, LONG_TEXTS)
    return bool(value == "split")


def _pieces(model: Any, texts: list[str], prompt_text: str) -> list[list[Piece]]:  # noqa: ANN401 - as above
    """Return the pieces of each text; of a text that is not cut, the text itself."""
    tokenizer = model.tokenizer
    before, _ = tokenizer.special_token_ids
    prompt_tokens = (model.pipeline.prompt_length(prompt_text) or len(before)) - len(before)
    room = model.max_seq_length - prompt_tokens
    is_truncated = model.pipeline.tokenize_window(texts, prompt_text).is_truncated
    return [
        split(text, model, tokens=room) if is_long else [Piece(0, len(text), text, 1)]
        for text, is_long in zip(texts, is_truncated, strict=True)
    ]
