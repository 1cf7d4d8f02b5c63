"""The names of tensors, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minilm.trace.names import SIZES, TENSORS, axes, kind_of, title

PAGE = Path(__file__).resolve().parents[2] / "docs" / "porting.md"


def test_a_name_has_a_title_with_its_layer() -> None:
    assert title("encoder.layer.11.output.LayerNorm") == "layer 11, output of the layer, after layer norm"
    assert title("embeddings.LayerNorm") == "embeddings, after layer norm"
    assert kind_of("encoder.layer.0.intermediate.dense") == "intermediate.dense"
    assert axes("encoder.layer.0.attention.self.attention_probs", np.ones((2, 1, 3, 3))) == "BHLL"
    assert axes("embeddings.position_embeddings", np.ones((1, 3, 4))) == "1LE"
    assert axes("embeddings.position_embeddings", np.ones((2, 3, 4))) == "BLE"  # of RoBERTa


def test_every_axis_is_explained() -> None:
    assert {letter for _, letters in TENSORS.values() for letter in letters} == SIZES.keys()


def test_the_page_lists_every_tensor() -> None:
    page = PAGE.read_text("utf-8")
    for kind, (words, letters) in TENSORS.items():
        assert f"{kind}` | {', '.join(letters)} | {words} |" in page
