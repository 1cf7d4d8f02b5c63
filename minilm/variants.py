"""BERT's neighbours: what RoBERTa, XLM-R, MPNet and DistilBERT have instead of BERT's.

All four have the layers of ``encoder.py``, formula by formula. They differ in three places, and each is data
that both encoders take:

1. **Names.** The same module, and so its weights in the file, has another name: :attr:`Variant.names`. MPNet
   and DistilBERT have no token types, which is a table of zeros: ``x + 0 = x``.
2. **The first position.** BERT counts positions from 0. RoBERTa's first code gave the padding a position of
   its own, ``padding_idx``, and counted tokens from the next one on. Its 514 rows hold 512 tokens, and 2 rows
   lie before the first token: :func:`position_ids`.
3. **A bias of relative positions.** MPNet adds a learned number to each score, which depends on how far
   the key lies from the query: :func:`attention_bias`.

What these models learned differently (no next sentences, a hundred languages, permuted words, a larger
teacher) is in their weights alone, and changes no formula.

Shapes: B texts, L tokens per text, H heads.

References
----------
.. [1] Liu et al. 2019, "RoBERTa", https://arxiv.org/abs/1907.11692: BERT, trained longer (section 3)
.. [2] Conneau et al. 2020, "Unsupervised Cross-lingual Representation Learning at Scale" (XLM-R),
   https://arxiv.org/abs/1911.02116: RoBERTa in a hundred languages (section 3)
.. [3] Song et al. 2020, "MPNet", https://arxiv.org/abs/2004.09297: the relative positions are in section 3.1
.. [4] Raffel et al. 2020, "Exploring the Limits of Transfer Learning" (T5),
   https://arxiv.org/abs/1910.10683: the buckets of distances, section 2.1
.. [5] Sanh et al. 2019, "DistilBERT", https://arxiv.org/abs/1910.01108: BERT with half the layers, without
   token types (section 3)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from minilm._arrays import FloatArray, IntArray

TYPE_EMBEDDINGS = "embeddings.token_type_embeddings.weight"
RELATIVE_BIAS = "encoder.relative_attention_bias.weight"

BUCKETS = 32  # of distances: 16 for keys before the query and itself, 16 for keys after it
FARTHEST = 128  # from this distance on, all share the last bucket


class Variant(NamedTuple):
    """What a family of encoders has instead of BERT's, under BERT's names."""

    prefix: str  # the encoder's name in a model with a head
    names: Mapping[str, str] = {}  # of modules: a part of BERT's name -> the family's
    fields: Mapping[str, str] = {}  # of config.json: BERT's name -> the family's
    defaults: Mapping[str, int] = {}  # of fields that config.json lacks, where they are not BERT's
    counts_padding: bool = False  # whether positions begin after padding_idx
    padding_idx: int | None = None  # None: config.json's pad_token_id
    layer_norm_eps: float | None = None  # None: config.json's
    has_token_types: bool = True
    has_relative_bias: bool = False

    def own_name(self, name: str) -> str:
        """The family's name of a module or tensor that BERT calls ``name``."""
        for ours, theirs in self.names.items():
            name = name.replace(ours, theirs)
        return name


_ROBERTA = Variant("roberta", defaults={"vocab_size": 50265}, counts_padding=True)
VARIANTS = {
    "bert": Variant("bert"),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA._replace(defaults={}),
    "mpnet": Variant(
        "mpnet",
        # the longer names first: each replaces a part of what the one before it left
        names={
            "attention.output.dense": "attention.attn.o",
            "attention.output.LayerNorm": "attention.LayerNorm",
            "attention.self.query": "attention.attn.q",
            "attention.self.key": "attention.attn.k",
            "attention.self.value": "attention.attn.v",
            "attention.self": "attention.attn",
        },
        defaults={"vocab_size": 30527},
        counts_padding=True,
        padding_idx=1,  # whatever pad_token_id is
        has_token_types=False,
        has_relative_bias=True,
    ),
    "distilbert": Variant(
        "distilbert",
        names={
            "encoder.layer": "transformer.layer",
            "attention.output.dense": "attention.out_lin",
            "attention.output.LayerNorm": "sa_layer_norm",
            "attention.self.query": "attention.q_lin",
            "attention.self.key": "attention.k_lin",
            "attention.self.value": "attention.v_lin",
            "attention.self": "attention",
            "intermediate.dense": "ffn.lin1",
            "intermediate.intermediate_act_fn": "ffn.activation",
            "output.dense": "ffn.lin2",
            "output.LayerNorm": "output_layer_norm",
        },
        fields={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
        },
        defaults={"num_hidden_layers": 6},
        layer_norm_eps=1e-12,
        has_token_types=False,
    ),
}
"""The families by their ``model_type`` in ``config.json``."""


def position_ids(input_ids: IntArray, padding_idx: int | None) -> IntArray:
    """The row of the position table for each token: shape (B, L), or (1, L) if it is the same in all texts.

    BERT (``padding_idx`` None) counts 0, 1, 2, ... The others count ``padding_idx + 1``, ``padding_idx + 2``,
    ... and give every token whose id is ``padding_idx`` the position ``padding_idx``, also within a text.

    Examples
    --------
    >>> position_ids(np.array([[0, 7, 1, 8, 2]]), None)
    array([[0, 1, 2, 3, 4]])
    >>> position_ids(np.array([[0, 7, 1, 8, 2]]), 1)
    array([[2, 3, 1, 4, 5]])
    """
    if padding_idx is None:
        return np.arange(input_ids.shape[1])[None]  # (1, L)
    is_token = input_ids != padding_idx  # (B, L)
    return np.cumsum(is_token, axis=1) * is_token + padding_idx  # (B, L)


def attention_bias(parameters: Mapping[str, FloatArray], length: int) -> FloatArray | float:
    """What is added to the scores of every layer, shape (H, L, L): query by key; 0 for all but MPNet.

    The table has one number per bucket of distances and head: [3]_, section 3.1, with the buckets of [4]_.
    """
    if RELATIVE_BIAS not in parameters:
        return 0.0
    position = np.arange(length)
    distances = position[None, :] - position[:, None]  # (L, L): from the query to the key
    bias = parameters[RELATIVE_BIAS][relative_position_bucket(distances)]  # (L, L, H)
    return bias.transpose(2, 0, 1)  # (H, L, L)


def relative_position_bucket(distances: IntArray) -> IntArray:
    """The bucket of each distance from a query to a key, of 32: [4]_, section 2.1.

    Half of the buckets are for keys after the query. Of each half, 8 are for the distances 0 to 7, and 8 for
    longer ones, whose widths grow like the distance itself, up to 128. So the model knows near neighbours
    exactly, and far ones roughly.

    Examples
    --------
    >>> relative_position_bucket(np.array([-200, -8, -1, 0, 1, 8, 200]))
    array([15,  8,  1,  0, 17, 24, 31])
    """
    half, exact = BUCKETS // 2, BUCKETS // 4
    size = np.abs(distances)
    # in float32, as the original computes: the bounds of the buckets lie where its logarithm rounds to
    logarithm = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(exact))
    steps = logarithm / np.float32(math.log(FARTHEST / exact)) * np.float32(half - exact)
    far = np.minimum(exact + steps.astype(np.intp), half - 1)
    return np.where(size < exact, size, far) + half * (distances > 0)
