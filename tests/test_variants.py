"""What BERT's neighbours have instead of BERT's; tests/parity/test_neighbours.py holds it to transformers."""

from __future__ import annotations

import numpy as np
import pytest

from minilm.variants import (
    RELATIVE_BIAS,
    VARIANTS,
    attention_bias,
    position_ids,
    relative_position_bucket,
)


def test_bert_counts_positions_from_0_whatever_the_ids_are() -> None:
    assert position_ids(np.array([[5, 0, 1], [1, 1, 1]]), None).tolist() == [[0, 1, 2]]


def test_roberta_counts_tokens_after_the_padding() -> None:
    # 1 is the padding: it has the position 1 wherever it stands, and is not counted
    assert position_ids(np.array([[0, 9, 2, 1], [0, 1, 9, 2]]), 1).tolist() == [[2, 3, 4, 1], [2, 1, 3, 4]]
    assert position_ids(np.array([[7, 8]]), 0).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("family", "name", "in_file"),
    [
        (
            "bert",
            "encoder.layer.3.attention.self.query.weight",
            "encoder.layer.3.attention.self.query.weight",
        ),
        ("roberta", "encoder.layer.3.output.dense.bias", "encoder.layer.3.output.dense.bias"),
        ("mpnet", "encoder.layer.3.attention.self.key.bias", "encoder.layer.3.attention.attn.k.bias"),
        ("mpnet", "encoder.layer.3.attention.output.dense.bias", "encoder.layer.3.attention.attn.o.bias"),
        (
            "mpnet",
            "encoder.layer.3.attention.output.LayerNorm.bias",
            "encoder.layer.3.attention.LayerNorm.bias",
        ),
        ("mpnet", "encoder.layer.3.output.LayerNorm.bias", "encoder.layer.3.output.LayerNorm.bias"),
        (
            "distilbert",
            "encoder.layer.3.attention.self.value.bias",
            "transformer.layer.3.attention.v_lin.bias",
        ),
        (
            "distilbert",
            "encoder.layer.3.attention.output.dense.bias",
            "transformer.layer.3.attention.out_lin.bias",
        ),
        (
            "distilbert",
            "encoder.layer.3.attention.output.LayerNorm.bias",
            "transformer.layer.3.sa_layer_norm.bias",
        ),
        ("distilbert", "encoder.layer.3.intermediate.dense.weight", "transformer.layer.3.ffn.lin1.weight"),
        ("distilbert", "encoder.layer.3.output.dense.weight", "transformer.layer.3.ffn.lin2.weight"),
        ("distilbert", "encoder.layer.3.output.LayerNorm.bias", "transformer.layer.3.output_layer_norm.bias"),
        ("distilbert", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.weight"),
        ("distilbert", "encoder.layer.3.attention.self.probs", "transformer.layer.3.attention.probs"),
        (
            "distilbert",
            "encoder.layer.3.intermediate.intermediate_act_fn",
            "transformer.layer.3.ffn.activation",
        ),
        ("mpnet", "encoder.layer.3.attention.self.probs", "encoder.layer.3.attention.attn.probs"),
    ],
)
def test_a_tensor_or_module_has_the_familys_own_name(family: str, name: str, in_file: str) -> None:
    assert VARIANTS[family].own_name(name) == in_file


def test_only_a_table_of_relative_positions_adds_a_bias() -> None:
    assert attention_bias({}, 5) == 0
    table = np.arange(64.0).reshape(32, 2)  # of two heads
    bias = attention_bias({RELATIVE_BIAS: table}, 3)
    assert isinstance(bias, np.ndarray)
    # one token back is bucket 1, one ahead is bucket 17
    assert bias.tolist() == [
        [[0, 34, 36], [2, 0, 34], [4, 2, 0]],
        [[1, 35, 37], [3, 1, 35], [5, 3, 1]],
    ]


def test_near_distances_have_buckets_of_their_own_and_far_ones_share_them() -> None:
    buckets = relative_position_bucket(np.arange(-300, 301))
    back, ahead = buckets[:301][::-1], buckets[300:]  # of the distances 0, 1, 2, ...
    assert back[:8].tolist() == list(range(8))
    assert ahead[1:8].tolist() == list(range(17, 24))
    assert (back[128:] == 15).all()
    assert (ahead[128:] == 31).all()
    assert (np.diff(back) >= 0).all()
    assert sorted({*buckets.tolist()} - {*range(32)}) == []
    assert 16 not in buckets  # the distance 0 belongs to the first half
