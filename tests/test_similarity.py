"""similarity.py: scores on numbers worked out by hand, shapes, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from minilm import cos_sim, dot_score
from minilm.similarity import (
    SIMILARITY,
    SimilarityFunction,
    maxsim,
    maxsim_pairwise,
    pairwise_angle_sim,
    pairwise_dot_score,
)

# made by sentence_transformers.util.pairwise_angle_sim of 6.2.0, in float64, to 10 digits
ANGLES = [1.1627553483, 1.0, 0.943456353]


def test_every_row_meets_every_row() -> None:
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(dot_score(a, b), [[1, 2, 3], [3, 4, 7]])
    np.testing.assert_allclose(cos_sim(a, b)[1], [0.6, 0.8, 7 / np.sqrt(50)], rtol=1e-15)


def test_a_single_vector_is_one_row() -> None:
    assert dot_score([1.0, 2.0], [3.0, 4.0]).tolist() == [[11.0]]
    assert cos_sim([1.0, 0.0], [[1.0, 0.0], [-1.0, 0.0]]).tolist() == [[1.0, -1.0]]


def test_the_cosine_with_a_zero_vector_is_zero() -> None:
    assert cos_sim([0.0, 0.0], [1.0, 1.0]).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float16, np.float16, np.float32),
        (np.int8, np.int8, np.float64),
    ],
)
def test_the_dtype_is_the_wider_and_never_a_narrow_one(a: type, b: type, expected: type) -> None:
    assert dot_score(np.ones(3, a), np.ones(3, b)).dtype == expected


def test_small_integers_do_not_overflow() -> None:
    assert dot_score(np.full(384, 100, np.int8), np.full(384, 100, np.int8)).item() == 384 * 10_000


def test_vectors_of_different_width_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="widths 2 and 3 cannot be compared"):
        dot_score(np.ones(2), np.ones(3))


@pytest.mark.parametrize("bad", [["a", "b"], [None], np.ones((1, 1, 1)), 3.0])
def test_what_is_not_one_or_many_vectors_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="embeddings must"):
        cos_sim(bad, np.ones(2))  # type: ignore[arg-type]


def test_one_embedding_is_paired_with_all() -> None:
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(pairwise_dot_score(a, b), [11, 2, 1])
    np.testing.assert_array_equal(pairwise_dot_score(b, a), [11, 2, 1])
    rows: Any = iter(a)
    np.testing.assert_array_equal(dot_score(rows, pd.Series([*b])), [[11, 2, 1]])


def test_the_angle_of_pairs() -> None:
    np.testing.assert_allclose(
        pairwise_angle_sim([[1.0, 2.0], [0.0, 1.0]], [[3.0, 4.0], [1.0, 0.0]]), ANGLES[:2], rtol=1e-9
    )
    np.testing.assert_allclose(
        pairwise_angle_sim([[1.0, 2.0, 3.0]], [[3.0, 4.0, -1.0]]), ANGLES[2:], rtol=1e-9
    )


def test_measures_by_their_names() -> None:
    assert SimilarityFunction.possible_values() == [*SIMILARITY]
    assert SimilarityFunction("dot").name == "DOT_PRODUCT"
    assert SimilarityFunction["DOT"].value == "dot"
    for name, (all_with_all, pairs) in SIMILARITY.items():
        assert SimilarityFunction.to_similarity_fn(name) is all_with_all
        assert SimilarityFunction.to_similarity_pairwise_fn(SimilarityFunction(name)) is pairs


def test_a_missing_embedding_is_named() -> None:
    with pytest.raises(ValueError, match=r"not missing: embeddings\[1\] is None"):
        cos_sim([np.ones(2), None], np.ones(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"of a table pass one column, df\['embedding'\]"):
        cos_sim(pd.DataFrame({"embedding": [np.ones(2)]}), np.ones(2))


def test_each_token_of_a_query_takes_its_best_token_of_the_document() -> None:
    query, document = [[1.0, 0.0], [0.0, 1.0]], [[2.0, -1.0], [0.0, 3.0], [-5.0, -5.0]]
    assert maxsim(query, [document]).tolist() == [[5.0]]
    assert maxsim([query, query[:1]], [document, query]).tolist() == [[5.0, 2.0], [2.0, 1.0]]
    assert maxsim([query], [document], length_normalize=True).tolist() == [[2.5]]
    assert maxsim_pairwise([query, query[:1]], [document, query]).tolist() == [5.0, 1.0]
    assert maxsim([], [document]).shape == (0, 1)


def test_a_document_without_tokens_scores_less_than_any_other() -> None:
    one = [[1.0, 0.0]]
    assert maxsim([one], [one, np.empty((0, 2))]).tolist() == [[1.0, -1e9]]
    assert maxsim([np.empty((0, 2))], [one]).tolist() == [[0.0]]
    assert maxsim_pairwise([one], [np.empty((0, 2))]).tolist() == [-1e9]
    assert maxsim_pairwise([], []).shape == (0,)


def test_masks_and_rows_of_zeros_say_what_is_padding() -> None:
    queries, documents = np.ones((2, 3, 2)), np.array([[[1.0, 1.0], [-1.0, 0.0]], [[-3.0, 0.0], [0.0, 0.0]]])
    queries[1, 1:] = 0
    assert maxsim(queries, documents).tolist() == [[6.0, -9.0], [2.0, -3.0]]
    assert maxsim(queries, documents, length_normalize=True).tolist() == [[2.0, -3.0], [2.0, -3.0]]
    a_mask, b_mask = [[1, 0, 0], [1, 1, 1]], [[False, True], [True, True]]
    assert maxsim(queries, documents, a_mask, b_mask).tolist() == [[-1.0, 0.0], [-1.0, 0.0]]
    assert maxsim(queries[0], documents, a_mask=[1, 1, 0]).tolist() == [[4.0, -6.0]]
    for wrong, message in (([[1, 1], [1, 1]], "a number for each token"), ([[2, 1, 1]] * 2, "0 and 1 only")):
        with pytest.raises(ValueError, match=f"a_mask must have {message}"):
            maxsim(queries, documents, wrong)


def test_the_size_of_a_chunk_changes_no_score() -> None:
    random = np.random.default_rng(0)
    queries = [random.normal(size=(n, 4)) for n in (1, 5, 3)]
    documents = [random.normal(size=(n, 4)) for n in (4, 0, 1, 9, 2, 0)]
    expected = [[(q @ d.T).max(axis=1).sum() if len(d) else -1e9 for d in documents] for q in queries]
    for size in (None, 1, 50, 10**9):
        np.testing.assert_allclose(maxsim(queries, documents, chunk_elements=size), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="chunk_elements must be a positive whole number, not 0"):
        maxsim(queries, documents, chunk_elements=0)


def test_maxsim_names_what_has_no_partner() -> None:
    one = [[1.0, 0.0]]
    with pytest.raises(ValueError, match="a has 1 queries and b has 2 documents"):
        maxsim_pairwise([one], [one, one])
    with pytest.raises(ValueError, match="width"):
        maxsim([one], [[[1.0, 2.0, 3.0]]])
