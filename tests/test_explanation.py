"""explanation.py and MiniLM.explain: the shares of a score add up to it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm import MiniLM, TruncationWarning
from minilm.explanation import token_parts
from minilm.pooling import POOLING, Pooling
from tests.checkpoints import TINY, MakeCheckpoint
from tests.parity.texts import of_length

A, B = "A girl is styling her hair.", "A girl is brushing her hair."

# The score is of embeddings rounded to float32, the sum of exact products: 384 roundings of 6e-8 relative,
# of components near 0.05, seen at 2e-8.
BOUND = 1e-6


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (A, B),
        (A, A),
        ("", ""),
        ("", A),
        (of_length(256), of_length(7)),
        ("x " * 400, "y " * 400),
        ("😀é 漢字", "\0"),
    ],
)
def test_contributions_add_up_to_the_score_that_similarity_gives(model: MiniLM, a: str, b: str) -> None:
    explanation = model.explain(a, b)
    assert explanation.contributions.dtype == np.float64
    assert explanation.contributions.shape == (len(explanation.a.tokens), len(explanation.b.tokens))
    assert abs(explanation.contributions.sum() - explanation.score) < BOUND
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        similarity = model.similarity(a, b).item()
    assert abs(explanation.score - similarity) < BOUND


@given(a=st.text(max_size=60), b=st.text(max_size=60))
def test_any_two_texts_are_explained(model: MiniLM, a: str, b: str) -> None:
    explanation = model.explain(a, b)
    assert abs(explanation.contributions.sum() - explanation.score) < BOUND
    for side, text in ((explanation.a, a), (explanation.b, b)):
        ends = [0, *(word.end for word in side.words)]
        # words stand in order, inside their text, and do not overlap
        assert all(
            end <= word.start < word.end <= len(text) for end, word in zip(ends, side.words, strict=False)
        )
        in_words = [index for word in side.words for index in word.tokens]
        assert in_words == [index for index, token in enumerate(side.tokens) if not token.is_special]


@pytest.mark.parametrize("pooling", POOLING)
def test_every_pooling_is_a_sum_over_tokens(pooling: str) -> None:
    hidden_states = np.random.default_rng(0).normal(size=(7, 5))
    pooled = POOLING[pooling](hidden_states[None], np.ones((1, 7), dtype=np.int64))[0]
    np.testing.assert_allclose(token_parts(hidden_states, [pooling]).sum(axis=0), pooled, rtol=0, atol=1e-15)


def test_max_pooling_takes_each_component_of_one_token() -> None:
    parts = token_parts(np.array([[1.0, 5.0], [3.0, 4.0]]), ["max"])
    assert parts.tolist() == [[0, 5], [3, 0]]


@pytest.mark.parametrize("pooling", POOLING)
def test_other_poolings_are_explained_as_well(make_checkpoint: MakeCheckpoint, pooling: Pooling) -> None:
    directory = make_checkpoint(config=replace(TINY, pooling=(pooling,), normalize=False))
    explanation = MiniLM(directory).explain("a b c", "c d")
    assert abs(explanation.contributions.sum() - explanation.score) < BOUND
    assert abs(explanation.score) <= 1 + BOUND  # a cosine, whether or not the checkpoint normalizes


def test_a_cut_is_said_of_the_text_that_was_cut(model: MiniLM) -> None:
    explanation = model.explain(of_length(300), B)
    assert (explanation.a.is_truncated, explanation.b.is_truncated) == (True, False)
    assert len(explanation.a.tokens) == 256


def test_shares_of_words_and_special_tokens_add_up(model: MiniLM) -> None:
    explanation = model.explain(A, B)
    report = explanation.as_dict()
    for name, shares in zip("ab", explanation.word_shares(), strict=True):
        assert [word["share"] for word in report[name]["words"]] == shares.tolist()
        # the same float64 numbers added in another order
        assert abs(shares.sum() + report[name]["special_share"] - explanation.contributions.sum()) < 1e-15


@pytest.mark.parametrize(
    ("a", "error"), [(1, TypeError), (None, TypeError), (["x"], TypeError), ("\ud800", ValueError)]
)
def test_what_is_not_text_is_refused(model: MiniLM, a: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        model.explain(a, B)
