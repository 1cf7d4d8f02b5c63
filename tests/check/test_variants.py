"""minilm's own encoder with one thing changed, against what the change means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.check.recipe import Recipe
from minilm.check.texts import chosen_texts, of_length
from minilm.check.variants import Variants
from minilm.encoder import encode
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from tests.checkpoints import MakeCheckpoint
from tests.intermediates import encode_with_intermediates

TEXTS = ["hello world", "a small dog runs across the field"]
HELLO, WORLD = 7592, 2088


def ids(variants: Variants, text: str, **changes: Any) -> list[int]:
    return variants.token_ids(Recipe().changed(**changes).text, [text])[0]


def test_the_checkpoints_own_recipe_gives_its_tokens_and_its_vectors(variants: Variants) -> None:
    texts = [text for members in chosen_texts().values() for text in members]
    model = variants.model
    assert variants.token_ids(Recipe().text, texts) == model.pipeline.tokenizer.texts(texts).input_ids
    np.testing.assert_array_equal(normalize(variants.vectors(Recipe(), TEXTS)), model.encode(TEXTS))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [101, HELLO, WORLD, 102]),
        ({"after": False}, [101, HELLO, WORLD]),
        ({"before": False}, [HELLO, WORLD, 102]),
        ({"max_seq_length": 3}, [101, HELLO, 102]),
        ({"max_seq_length": 3, "truncation_side": "left"}, [101, WORLD, 102]),
        ({"max_seq_length": 3, "after_cut": False}, [101, HELLO, WORLD]),
        ({"prefix": "world "}, [101, WORLD, HELLO, WORLD, 102]),
    ],
)
def test_special_tokens_and_lengths(changes: dict[str, Any], expected: list[int], variants: Variants) -> None:
    assert ids(variants, "hello world", **changes) == expected


@pytest.mark.parametrize(
    ("text", "changes", "tokens"),
    [
        ("Hello", {"lowercase": False}, ["[UNK]"]),
        ("Hello", {}, ["hello"]),
        ("[MASK]", {}, ["[MASK]"]),
        ("[MASK]", {"has_marks": False}, ["[", "mask", "]"]),
        ("w" * 101, {}, ["[UNK]"]),
        ("hello, world", {"words": "white space"}, ["[UNK]", "world"]),
        ("ﬁne", {"unicode_form": "NFKC"}, ["fine"]),
        ("café", {"strip_accents": False}, ["cafe", "##́"]),
    ],
)
def test_tokenizers(text: str, changes: dict[str, Any], tokens: list[str], variants: Variants) -> None:
    to_token = variants.model.pipeline.tokenizer.backend.id_to_token
    found = [to_token(token) for token in ids(variants, text, **changes)[1:-1]]
    if text == "café":  # kept, and so unlike the word without it
        assert found != ["cafe"]
    elif text.startswith("hello,"):
        assert found[-1] == "world"
        assert "," not in found
    else:
        assert found == tokens or (text == "Hello" and found != ["hello"])


def test_padding_without_a_mask_is_what_the_textbooks_encoder_makes_of_it(
    variants: Variants, float64_parameters: dict[str, np.ndarray]
) -> None:
    row, config = [101, HELLO, WORLD, 102], variants.model.config
    input_ids, _ = pad([[*row, 0, 0, 0]])
    seen, right = np.ones((1, 7), int), np.array([[1, 1, 1, 1, 0, 0, 0]])
    for kind, attended, counted in (
        ("both", seen, seen),
        ("counted", right, seen),
        ("attended", seen, right),
    ):
        states = encode(input_ids, attended, float64_parameters, config)
        expected = mean_pooling(states, counted)
        made = variants.vectors(Recipe().changed(padding=kind, pad_to=7), ["hello world"])
        # float32 sums of six layers; a component of an unscaled vector reaches 1
        np.testing.assert_allclose(made, expected, rtol=0, atol=5e-6)


def test_every_change_of_the_network_changes_the_vectors(variants: Variants) -> None:
    own = variants.vectors(Recipe(), TEXTS)
    for changes in (
        {"position_offset": 1},
        {"has_positions": False},
        {"token_type": 1},
        {"is_scaled": False},
        {"fewer_layers": 1},
        {"layer_norm_eps": 1e-3},
        {"pooling": "pooler"},
        {"pooling": "content"},
    ):
        assert np.abs(variants.vectors(Recipe().changed(**changes), TEXTS) - own).max() > 1e-4


def test_one_layer_less_is_the_hidden_state_before_the_last(
    variants: Variants, float64_parameters: dict[str, np.ndarray]
) -> None:
    input_ids = np.array([[101, HELLO, WORLD, 102]])
    output = encode_with_intermediates(
        input_ids, np.ones_like(input_ids), float64_parameters, variants.model.config
    )
    made = variants.vectors(Recipe().changed(fewer_layers=1), ["hello world"])
    np.testing.assert_allclose(made, output.hidden_states[-2].mean(axis=1), rtol=0, atol=5e-6)


def test_affected_are_the_texts_whose_tokens_change(variants: Variants) -> None:
    old, texts = Recipe(), ["hello", "Hello", of_length(300)]
    assert variants.affected(old, old.changed(lowercase=False), texts) == [1]
    assert variants.affected(old, old.changed(max_seq_length=128), texts) == [2]
    assert variants.affected(old, old.changed(pooling="cls"), texts) == [0, 1, 2]


def test_what_a_checkpoint_cannot_do_is_left_out(variants: Variants, make_checkpoint: MakeCheckpoint) -> None:
    small = Variants(MiniLM(make_checkpoint()))
    for changes in ({"max_seq_length": 512}, {"pooling": "pooler"}, {"lowercase": False}, {"pad_to": 128}):
        recipe = Recipe().changed(**changes)
        assert (variants.can(recipe), small.can(recipe)) == (
            True,
            changes == {"lowercase": False} and small.can(recipe),
        )
    assert not variants.can(Recipe().changed(checkpoint="against"))
    assert Variants(variants.model, variants).can(Recipe().changed(checkpoint="against"))
    assert not Variants(variants.model, small).can(Recipe().changed(checkpoint="against"))  # other widths


def test_padding_ends_where_no_position_is_left(other_variants: Variants) -> None:
    longest = other_variants.longest
    text = [of_length(longest)]
    plain = Recipe().changed(position_offset=1, max_seq_length=longest)
    padded = plain.changed(padding="both", pad_to=longest)
    np.testing.assert_array_equal(other_variants.vectors(padded, text), other_variants.vectors(plain, text))
