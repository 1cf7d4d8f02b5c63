"""pooling.py: each formula on numbers worked out by hand, and no influence of padding."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minilm.pooling import POOLING, Pooling, cls_pooling, max_pooling, mean_pooling, normalize

HIDDEN_STATES = np.array([[[1.0, -8.0], [3.0, -4.0], [99.0, 99.0]], [[5.0, 6.0], [0.0, 0.0], [1.0, 3.0]]])
MASK = np.array([[1, 1, 0], [1, 1, 1]])


def test_the_mean_leaves_padding_out() -> None:
    np.testing.assert_array_equal(mean_pooling(HIDDEN_STATES, MASK), [[2.0, -6.0], [2.0, 3.0]])


def test_the_names_are_those_of_sentence_transformers() -> None:
    names = {"cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"}
    assert set(POOLING) == set(get_args(Pooling)) == names


def test_cls_takes_the_first_token() -> None:
    np.testing.assert_array_equal(cls_pooling(HIDDEN_STATES, MASK), [[1.0, -8.0], [5.0, 6.0]])


def test_the_maximum_leaves_padding_out() -> None:
    np.testing.assert_array_equal(max_pooling(HIDDEN_STATES, MASK), [[3.0, -4.0], [5.0, 6.0]])


def test_the_sum_is_divided_by_the_root_of_the_number_of_tokens() -> None:
    expected = np.array([[4.0, -12.0], [6.0, 9.0]]) / np.sqrt([[2], [3]])
    np.testing.assert_allclose(POOLING["mean_sqrt_len_tokens"](HIDDEN_STATES, MASK), expected, rtol=1e-15)


def test_later_tokens_weigh_more_in_the_weighted_mean() -> None:
    expected = [[(1 + 2 * 3) / 3, (-8 - 2 * 4) / 3], [(5 + 3) / 6, (6 + 9) / 6]]
    np.testing.assert_allclose(POOLING["weightedmean"](HIDDEN_STATES, MASK), expected, rtol=1e-15)


def test_the_last_token_is_the_last_before_the_padding() -> None:
    np.testing.assert_array_equal(POOLING["lasttoken"](HIDDEN_STATES, MASK), [[3.0, -4.0], [1.0, 3.0]])


@pytest.mark.parametrize("name", ["mean", "mean_sqrt_len_tokens", "weightedmean"])
def test_a_text_without_tokens_has_the_mean_zero(name: str) -> None:
    np.testing.assert_array_equal(POOLING[name](np.ones((1, 2, 3)), np.zeros((1, 2), int)), np.zeros((1, 3)))


@pytest.mark.parametrize("name", POOLING)
def test_a_text_of_one_token_has_that_tokens_vector(name: str) -> None:
    hidden_states = np.array([[[2.0, -3.0], [9.0, 9.0]]])
    np.testing.assert_array_equal(POOLING[name](hidden_states, np.array([[1, 0]])), [[2.0, -3.0]])


@pytest.mark.parametrize("name", POOLING)
@given(data=st.data())
def test_what_stands_in_padding_never_matters(name: str, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    shape = (len(lengths), 4, 5)
    values = st.floats(-1e6, 1e6, width=32)
    hidden_states = data.draw(arrays(np.float32, shape, elements=values))
    other = data.draw(arrays(np.float32, shape, elements=values))
    mask = np.arange(4) < np.array(lengths)[:, None]
    changed = np.where(mask[:, :, None], hidden_states, other)
    np.testing.assert_array_equal(
        POOLING[name](changed, mask.astype(int)), POOLING[name](hidden_states, mask.astype(int))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept(dtype: type) -> None:
    for pool in POOLING.values():
        assert normalize(pool(HIDDEN_STATES.astype(dtype), MASK)).dtype == dtype


def test_normalized_vectors_have_length_one_and_zero_stays_zero() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 384)).astype(np.float32)
    vectors[7] = 0
    lengths = np.linalg.norm(normalize(vectors).astype(np.float64), axis=1)
    # 384 squares summed and rounded once each: a few units in the last place of 1 (6e-8)
    np.testing.assert_allclose(np.delete(lengths, 7), 1, atol=2e-7)
    assert lengths[7] == 0


def test_a_length_below_a_millionth_of_a_millionth_counts_as_that() -> None:
    np.testing.assert_allclose(
        normalize(np.array([[3e-12, 4e-12], [3e-13, 4e-13]])), [[0.6, 0.8], [0.3, 0.4]]
    )
