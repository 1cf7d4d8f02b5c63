"""minilm.util: similarities, search, mining, communities and quantization, on numbers worked out by hand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import util

RANDOM = np.random.default_rng(7)
# 60 unit vectors in 8 dimensions, in float32, as encode returns them
UNIT = util.normalize_embeddings(RANDOM.normal(size=(60, 8))).astype(np.float32)


def brute_force(queries: np.ndarray, corpus: np.ndarray, top_k: int) -> list[list[int]]:
    return np.argsort(-(queries.astype(np.float64) @ corpus.T), axis=1, kind="stable")[:, :top_k].tolist()


def test_distances_are_negative_and_exact_where_vectors_meet() -> None:
    np.testing.assert_array_equal(util.euclidean_sim([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0]]), [[-5], [0]])
    np.testing.assert_array_equal(util.manhattan_sim([[0.0, 0.0], [3.0, 4.0]], [[3.0, 4.0]]), [[-7], [0]])
    # float64 within: |x|^2 + |y|^2 - 2xy is right to 1e-16, its root to 1e-8
    assert np.abs(np.diag(util.euclidean_sim(UNIT, UNIT))).max() < 5e-8
    differences = UNIT[:, None].astype(np.float64) - UNIT
    np.testing.assert_allclose(
        util.euclidean_sim(UNIT, UNIT), -np.linalg.norm(differences, axis=-1), rtol=0, atol=2e-7
    )
    np.testing.assert_allclose(
        util.manhattan_sim(UNIT, UNIT), -np.abs(differences).sum(-1), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("name", ["cos_sim", "dot_score", "euclidean_sim", "manhattan_sim"])
def test_pairs_are_the_diagonal(name: str) -> None:
    a, b = 3 * UNIT[:20], 2 * UNIT[20:40]
    pairwise = getattr(util, f"pairwise_{name}")(a, b)
    assert pairwise.shape == (20,)
    assert pairwise.dtype == np.float32
    # float32 sums of 8 terms of up to 6, in another order
    np.testing.assert_allclose(pairwise, np.diag(getattr(util, name)(a, b)), rtol=0, atol=4e-6)
    assert getattr(util, f"pairwise_{name}")(a[0], b[0]).shape == ()


@pytest.mark.parametrize(
    ("function", "a", "b", "message"),
    [
        (util.cos_sim, [1.0, 2.0], [1.0], "widths 2 and 1"),
        (util.pairwise_cos_sim, [[1.0], [2.0]], [[1.0], [2.0], [3.0]], "2 embeddings and 3 are not pairs"),
        (util.pairwise_dot_score, [1.0, 2.0], [1.0], "widths 2 and 1"),
        (util.euclidean_sim, [[[1.0]]], [1.0], "one or two dimensions"),
        (util.manhattan_sim, ["a"], [1.0], "must be numbers"),
        (util.dot_score, [[1.0], [2.0, 3.0]], [1.0], "same width"),
    ],
)
def test_what_does_not_fit_is_said(function: Any, a: Any, b: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(a, b)


@pytest.mark.parametrize("chunks", [(100, 500_000), (1, 1), (7, 13), (60, 3)])
@pytest.mark.parametrize("top_k", [1, 5, 60, 99])
def test_search_finds_the_nearest_whatever_the_blocks(chunks: tuple[int, int], top_k: int) -> None:
    found = util.semantic_search(
        UNIT[:10], UNIT, query_chunk_size=chunks[0], corpus_chunk_size=chunks[1], top_k=top_k
    )
    assert [[hit["corpus_id"] for hit in hits] for hits in found] == brute_force(UNIT[:10], UNIT, top_k)
    scores = np.array([[hit["score"] for hit in hits] for hits in found])
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_allclose(scores[:, 0], 1, rtol=0, atol=3e-7)  # float32: each is nearest to itself


def test_equal_scores_come_in_the_order_of_the_corpus() -> None:
    corpus = np.tile(UNIT[:2], (50, 1))
    for size in (500_000, 7):
        [hits] = util.semantic_search(UNIT[0], corpus, top_k=4, corpus_chunk_size=size)
        assert [hit["corpus_id"] for hit in hits] == [0, 2, 4, 6]


def test_search_reads_a_memory_mapped_corpus(tmp_path: Path) -> None:
    np.save(tmp_path / "corpus.npy", UNIT.astype(np.float16))
    corpus = np.load(tmp_path / "corpus.npy", mmap_mode="r")
    found = util.semantic_search(UNIT[:3], corpus, top_k=1, corpus_chunk_size=11)
    assert [hits[0]["corpus_id"] for hits in found] == [0, 1, 2]


def test_search_by_another_measure() -> None:
    found = util.semantic_search([[0.0]], [[3.0], [1.0], [-2.0]], score_function=util.euclidean_sim)
    assert found == [
        [{"corpus_id": 1, "score": -1.0}, {"corpus_id": 2, "score": -2.0}, {"corpus_id": 0, "score": -3.0}]
    ]


def test_an_empty_corpus_has_nothing_to_find() -> None:
    assert util.semantic_search(UNIT[:2], np.empty((0, 8), np.float32)) == [[], []]
    with pytest.raises(ValueError, match="top_k must be a positive whole number, not 0"):
        util.semantic_search(UNIT, UNIT, top_k=0)


@pytest.mark.parametrize("chunks", [(5000, 100_000), (1, 1), (7, 13)])
def test_mining_gives_each_pair_once_best_first(chunks: tuple[int, int]) -> None:
    i, j = np.triu_indices(len(UNIT), 1)
    scores = np.sum(UNIT[i].astype(np.float64) * UNIT[j], axis=1)
    order = np.argsort(-scores)[:50]
    found = util.paraphrase_mining_embeddings(
        UNIT, query_chunk_size=chunks[0], corpus_chunk_size=chunks[1], max_pairs=50
    )
    assert [pair[1:] for pair in found] == np.stack([i, j], axis=1)[order].tolist()
    np.testing.assert_allclose([pair[0] for pair in found], scores[order], rtol=0, atol=3e-7)


def test_mining_looks_at_so_many_neighbours_of_each() -> None:
    # 0 is nearest to 1, 1 to 2 and 2 to 1, so that 0 and 2 do not find one another
    line = [[1.0, 0.0], [0.9, 0.3], [0.8, 0.5]]
    found = util.paraphrase_mining_embeddings(line, top_k=1)
    assert [pair[1:] for pair in found] == [[1, 2], [0, 1]]
    assert util.paraphrase_mining_embeddings([[1.0, 0.0]]) == []


def test_mining_encodes_sentences() -> None:
    class Model:
        def encode(self, sentences: list[str], **options: Any) -> Any:
            assert sentences == ["a", "b", "c"]
            assert options["batch_size"] == 16
            return np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])

    found = util.paraphrase_mining(Model(), ["a", "b", "c"], batch_size=16, max_pairs=1)  # type: ignore[arg-type]
    assert found == [[0.8, 0, 2]]


def test_communities_are_disjoint_and_the_largest_is_first() -> None:
    # two heaps around two axes, 12 and 10 strong, and one in between that belongs to neither
    first = np.array([[1.0, 0.01 * k, 0.0] for k in range(12)])
    second = np.array([[0.0, 0.01 * k, 1.0] for k in range(10)])
    rows = np.concatenate([second, first, [[1.0, 1.0, 1.0]]])
    for batch_size in (1024, 1, 5):
        found = util.community_detection(rows, threshold=0.9, min_community_size=10, batch_size=batch_size)
        assert [sorted(community) for community in found] == [[*range(10, 22)], [*range(10)]]
        assert [community[0] for community in found] == [10, 0]
    assert util.community_detection(rows, threshold=0.9, min_community_size=11, batch_size=3)[0][0] == 10
    assert util.community_detection(np.empty((0, 3))) == []
    assert util.community_detection(rows[:3]) == []


def test_quantization_by_hand() -> None:
    given = np.array([[0.0, -1.0], [0.5, 0.0], [1.0, 1.0], [2.0, -3.0]], np.float32)
    ranges = np.array([[0.0, -1.0], [1.0, 1.0]])
    # floor(0.5 / (1 / 255)) = 127; 1 / 255 is a little more in float32, so that 1 holds 254 whole steps of
    # it; what lies beyond the range takes its end
    expected = np.array([[0, 0], [127, 127], [254, 254], [255, 0]])
    by_range = util.quantize_embeddings(given, "uint8", ranges=ranges)
    assert by_range.dtype == np.uint8
    np.testing.assert_array_equal(by_range, expected)
    signed = util.quantize_embeddings(given, "int8", calibration_embeddings=given[[0, 2]])
    assert signed.dtype == np.int8
    np.testing.assert_array_equal(signed, expected - 128)
    bits = util.quantize_embeddings([[1.0, -1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0]], "ubinary")
    np.testing.assert_array_equal(bits, [[0b10011111, 0b10000000]])
    signed_bits = util.quantize_embeddings([[1.0, -1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0]], "binary")
    assert signed_bits.dtype == np.int8
    assert signed_bits.tolist() == [[0b10011111 - 128, 0]]
    assert util.quantize_embeddings([1.0, -1.0], "float32").dtype == np.float32
    # a component that is always the same has a range of no width
    np.testing.assert_array_equal(
        util.quantize_embeddings(np.full((2, 1), 0.3, np.float32), "uint8"), [[0], [0]]
    )


def test_quantization_of_nothing_keeps_the_shape() -> None:
    nothing = np.empty((0, 12), np.float32)
    shapes = {p: util.quantize_embeddings(nothing, p).shape for p in ("int8", "uint8", "binary", "ubinary")}
    assert shapes == {"int8": (0, 12), "uint8": (0, 12), "binary": (0, 2), "ubinary": (0, 2)}


def test_few_embeddings_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        util.quantize_embeddings(UNIT, "int8")
    assert "come from 60 embeddings only" in caplog.text


@pytest.mark.parametrize(
    ("embeddings", "precision", "options", "message"),
    [
        (UNIT, "int4", {}, "must be one of float32, int8, uint8, binary, ubinary, not 'int4'"),
        (UNIT.astype(np.int8), "binary", {}, "must be floats, not int8"),
        (UNIT[0], "int8", {}, "a single embedding does not say"),
        (UNIT[:1], "uint8", {}, "a single embedding does not say"),
        (UNIT, "int8", {"ranges": UNIT[:2, :4]}, r"ranges must have shape \(2, 8\), not \(2, 4\)"),
    ],
)
def test_bad_quantization_is_refused(embeddings: Any, precision: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        util.quantize_embeddings(embeddings, precision, **options)


def test_truncation_keeps_the_first_components() -> None:
    np.testing.assert_array_equal(util.truncate_embeddings(UNIT, 3), UNIT[:, :3])
    np.testing.assert_array_equal(util.truncate_embeddings(UNIT, None), UNIT)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        util.truncate_embeddings(UNIT, 0)
