"""The tensors of a trace: their names, which are BERT's in transformers, what they are, and their axes."""

from __future__ import annotations

import re

from minilm._arrays import AnyArray

SIZES = {
    "B": "texts",
    "L": "tokens of the longest text",
    "E": "hidden width",
    "H": "heads",
    "I": "intermediate width",
    "V": "components of a vector",
    "1": "one for all texts",
}

# name, or its end after "encoder.layer.N."; what it is; a letter for each axis
TENSORS = {
    "input_ids": ("input ids", "BL"),
    "attention_mask": ("attention mask", "BL"),
    "token_type_ids": ("token type ids", "BL"),
    "embeddings.word_embeddings": ("word embeddings", "BLE"),
    "embeddings.token_type_embeddings": ("token type embeddings", "BLE"),
    "embeddings.position_embeddings": ("position embeddings", "1LE"),
    "embeddings.LayerNorm.input": ("sum of the embeddings, before layer norm", "BLE"),
    "embeddings.LayerNorm": ("embeddings, after layer norm", "BLE"),
    "attention.self.query": ("queries of all heads", "BLE"),
    "attention.self.key": ("keys of all heads", "BLE"),
    "attention.self.value": ("values of all heads", "BLE"),
    "attention.self.attention_scores": ("attention scores, scaled and before the mask", "BHLL"),
    "attention.self.attention_probs": ("attention probabilities", "BHLL"),
    "attention.self.context_layer": ("context of all heads", "BLE"),
    "attention.output.dense": ("attention output", "BLE"),
    "attention.output.LayerNorm.input": ("attention output and its input, before layer norm", "BLE"),
    "attention.output.LayerNorm": ("attention sublayer, after layer norm", "BLE"),
    "intermediate.dense": ("input of the activation function", "BLI"),
    "intermediate.intermediate_act_fn": ("output of the activation function", "BLI"),
    "output.dense": ("feed-forward output", "BLE"),
    "output.LayerNorm.input": ("feed-forward output and its input, before layer norm", "BLE"),
    "output.LayerNorm": ("output of the layer, after layer norm", "BLE"),
    "sentence_embedding.pooled": ("pooled vector", "BE"),
    "sentence_embedding": ("vector, as encode returns it", "BV"),
}

_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")


def kind_of(name: str) -> str:
    """Return the name without its layer: the key of :data:`TENSORS`.

    Examples
    --------
    >>> kind_of("encoder.layer.3.attention.self.query")
    'attention.self.query'
    """
    match = _LAYER.fullmatch(name)
    return match[2] if match else name


def title(name: str) -> str:
    """Return what a tensor is, in words.

    Examples
    --------
    >>> title("encoder.layer.3.attention.self.attention_probs")
    'layer 3, attention probabilities'
    """
    match = _LAYER.fullmatch(name)
    return (f"layer {match[1]}, " if match else "") + TENSORS[kind_of(name)][0]


def axes(name: str, x: AnyArray) -> str:
    """Return a letter for each axis of a tensor; :data:`SIZES` says what they are.

    Where padding has a position of its own, each text has its position embeddings.
    """
    letters = TENSORS[kind_of(name)][1]
    return letters.replace("1", "B") if len(x) > 1 else letters
