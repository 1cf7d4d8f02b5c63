"""minilm/search.py: search, paraphrase mining and communities, on numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import util
from minilm.pooling import normalize

# 60 unit vectors in 8 dimensions, in float32, as encode returns them
UNIT = normalize(np.random.default_rng(7).normal(size=(60, 8))).astype(np.float32)


def brute_force(queries: np.ndarray, corpus: np.ndarray, top_k: int) -> list[list[int]]:
    return np.argsort(-(queries.astype(np.float64) @ corpus.T), axis=1, kind="stable")[:, :top_k].tolist()


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
    assert util.semantic_search(UNIT[:2], UNIT, top_k=0) == [[], []]
    with pytest.raises(ValueError, match="top_k must be 0 or a positive whole number, not -1"):
        util.semantic_search(UNIT, UNIT, top_k=-1)


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
