"""Finding what is near: search, duplicates and communities among embeddings, exactly and in blocks.

The functions, their arguments and what they return are sentence-transformers'. Every score is computed; what
is kept of a block is its best few, so that memory does not grow with the product of both sides.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int
from minilm._arrays import FloatArray
from minilm.pooling import normalize
from minilm.similarity import Similarity, as_floats, cos_sim, dot_score

if TYPE_CHECKING:
    from minilm.model import MiniLM

IntArray = npt.NDArray[np.int64]


class Hit(TypedDict):
    """One found embedding."""

    corpus_id: int
    score: float


def semantic_search(
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500_000,
    top_k: int = 10,
    score_function: Similarity = cos_sim,
) -> list[list[Hit]]:
    """The corpus embeddings nearest to each query.

    Parameters
    ----------
    query_embeddings : array_like of float, shape (n, E) or (E,)
    corpus_embeddings : array_like of float, shape (m, E)
        May be memory-mapped: it is read a block at a time.
    query_chunk_size, corpus_chunk_size : int
        Embeddings that are compared at a time; they bound the memory and do not change the result.
    top_k : int
        How many to find.
    score_function : callable
        From (n, E) and (m, E) to scores (n, m), larger is nearer: by default the cosine.

    Returns
    -------
    list of n lists of at most ``top_k`` {"corpus_id": int, "score": float}
        Nearest first; of equal scores the lower ``corpus_id`` first.

    Raises
    ------
    ValueError
        If a size is not positive or the widths differ.

    Examples
    --------
    >>> semantic_search([1.0, 0.0], [[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], top_k=2)
    [[{'corpus_id': 2, 'score': 1.0}, {'corpus_id': 1, 'score': 0.6}]]
    """
    _check_sizes(query_chunk_size=query_chunk_size, corpus_chunk_size=corpus_chunk_size, top_k=top_k)
    queries = np.atleast_2d(as_floats(query_embeddings))  # (n, E)
    corpus = np.asanyarray(corpus_embeddings)  # (m, E), still on disk if it was
    if score_function is cos_sim:  # scaled to length 1 once, not once for every block of the other side
        queries = normalize(queries)
    best = _Best(len(queries), top_k)
    for start in range(0, len(corpus), corpus_chunk_size):
        block: npt.ArrayLike = corpus[start : start + corpus_chunk_size]
        if score_function is cos_sim:
            block = normalize(as_floats(block))
        for first in range(0, len(queries), query_chunk_size):
            rows = slice(first, first + query_chunk_size)
            compare = dot_score if score_function is cos_sim else score_function
            best.add(rows, np.asarray(compare(queries[rows], block)), start)
    return [
        [{"corpus_id": int(i), "score": float(score)} for i, score in zip(ids, scores, strict=True)]
        for ids, scores in zip(best.ids, best.scores, strict=True)
    ]


def paraphrase_mining(
    model: MiniLM,
    sentences: Sequence[str],
    show_progress_bar: bool = False,
    batch_size: int = 32,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100_000,
    max_pairs: int = 500_000,
    top_k: int = 100,
    score_function: Similarity = cos_sim,
    truncate_dim: int | None = None,
    prompt_name: str | None = None,
    prompt: str | None = None,
) -> list[list[float | int]]:
    """The most similar pairs among ``sentences``: encode them, then :func:`paraphrase_mining_embeddings`."""
    embeddings = model.encode(
        sentences,
        show_progress_bar=show_progress_bar,
        batch_size=batch_size,
        truncate_dim=truncate_dim,
        prompt_name=prompt_name,
        prompt=prompt,
    )
    return paraphrase_mining_embeddings(
        embeddings,
        query_chunk_size=query_chunk_size,
        corpus_chunk_size=corpus_chunk_size,
        max_pairs=max_pairs,
        top_k=top_k,
        score_function=score_function,
    )


def paraphrase_mining_embeddings(
    embeddings: npt.ArrayLike,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100_000,
    max_pairs: int = 500_000,
    top_k: int = 100,
    score_function: Similarity = cos_sim,
) -> list[list[float | int]]:
    """The most similar pairs among ``embeddings``.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E)
    query_chunk_size, corpus_chunk_size : int
        Embeddings that are compared at a time; they bound the memory and do not change the result.
    max_pairs : int
        Most pairs to return.
    top_k : int
        Of each embedding only so many neighbours are considered.
    score_function : callable
        As for :func:`semantic_search`, and symmetric.

    Returns
    -------
    list of [score, i, j]
        With i < j, each pair once, the most similar first.

    Examples
    --------
    >>> paraphrase_mining_embeddings([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]], max_pairs=2)
    [[0.8, 0, 2], [0.6, 1, 2]]
    """
    _check_sizes(
        query_chunk_size=query_chunk_size,
        corpus_chunk_size=corpus_chunk_size,
        top_k=top_k,
        max_pairs=max_pairs,
    )
    rows = np.atleast_2d(as_floats(embeddings))  # (n, E)
    count = len(rows)
    codes, scores = np.empty(0, np.int64), np.empty(0)  # a pair as i x n + j
    for first in range(0, count, query_chunk_size):
        chunk = slice(first, min(first + query_chunk_size, count))
        best = _Best(chunk.stop - first, top_k + 1)  # itself is one of them
        for start in range(0, count, corpus_chunk_size):
            block = np.asarray(score_function(rows[chunk], rows[start : start + corpus_chunk_size]))
            best.add(slice(0, chunk.stop - first), block, start)
        i = np.arange(first, chunk.stop)[:, None]  # (chunk, 1)
        is_other = best.ids != i  # (chunk, top_k + 1)
        is_other &= np.cumsum(is_other, axis=1) <= top_k
        low, high = np.minimum(i, best.ids)[is_other], np.maximum(i, best.ids)[is_other]
        codes = np.concatenate([codes, low * count + high])
        scores = np.concatenate([scores, best.scores[is_other]])
        codes, where = np.unique(codes, return_index=True)  # each pair was found from both its sides
        scores = scores[where]
        if len(codes) > max_pairs:
            kept = np.sort(np.argpartition(-scores, max_pairs - 1)[:max_pairs])
            codes, scores = codes[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")
    return [[float(scores[at]), int(codes[at]) // count, int(codes[at]) % count] for at in order]


def community_detection(
    embeddings: npt.ArrayLike,
    threshold: float = 0.75,
    min_community_size: int = 10,
    batch_size: int = 1024,
    show_progress_bar: bool = False,
) -> list[list[int]]:
    """Groups of embeddings around a centre to which each has a cosine of at least ``threshold``.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E)
    threshold : float
        Least cosine to the centre.
    min_community_size : int
        Groups with fewer members, the centre among them, are left out.
    batch_size : int
        Embeddings that are compared with all others at a time.
    show_progress_bar : bool
        A bar on stderr.

    Returns
    -------
    list of lists of int
        The largest group first; in each its centre first, then the others by falling cosine. No embedding is
        in two groups: a larger group is served first.

    Examples
    --------
    >>> community_detection([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.95, 0.0]], min_community_size=2)
    [[0, 3, 2]]
    """
    _check_sizes(min_community_size=min_community_size, batch_size=batch_size)
    rows = as_floats(embeddings)
    if not rows.size:
        return []
    rows = normalize(np.atleast_2d(rows))  # (n, E)
    if len(rows) < min_community_size:
        return []
    least = rows.dtype.type(threshold)
    communities: list[tuple[int, IntArray]] = []
    for start in _bar(range(0, len(rows), batch_size), show_progress_bar):
        scores = rows[start : start + batch_size] @ rows.T  # (batch, n)
        is_near = scores >= least
        for offset in np.flatnonzero(is_near.sum(axis=1) >= min_community_size):
            members = np.flatnonzero(is_near[offset])
            falling = np.argsort(-scores[offset, members], kind="stable")
            communities.append((start + int(offset), members[falling]))
    communities.sort(key=lambda community: -len(community[1]))

    taken = np.zeros(len(rows), bool)
    disjoint = []
    for centre, members in communities:
        if taken[centre]:
            continue
        left = members[~taken[members]]
        if len(left) >= min_community_size:
            disjoint.append([centre, *(int(i) for i in left if i != centre)])
            taken[left] = True
    return sorted(disjoint, key=len, reverse=True)


class _Best:
    """The best few columns of each row of a score matrix that comes in blocks of columns."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self._ids: list[IntArray] = [np.empty(0, np.int64)] * rows
        self._scores: list[FloatArray] = [np.empty(0)] * rows

    def add(self, rows: slice, scores: FloatArray, first_column: int) -> None:
        """Take in columns ``first_column`` and following of ``rows``."""
        for row, found in zip(range(rows.start, rows.start + len(scores)), scores, strict=True):
            ids = np.arange(first_column, first_column + len(found))
            if len(found) > self._count:
                # everything down to the last score that counts: of equal ones the lowest id is to stay
                worst = np.partition(found, len(found) - self._count)[len(found) - self._count]
                ids = ids[found >= worst]
            ids = np.concatenate([self._ids[row], ids])
            merged = np.concatenate([self._scores[row], found[ids[len(self._ids[row]) :] - first_column]])
            order = np.argsort(-merged, kind="stable")[: self._count]
            self._ids[row], self._scores[row] = ids[order], merged[order]

    @property
    def ids(self) -> IntArray:
        """Column numbers (rows, count or all), the best first."""
        return np.stack(self._ids) if self._ids else np.empty((0, 0), np.int64)

    @property
    def scores(self) -> FloatArray:
        """Their scores, (rows, count or all)."""
        return np.stack(self._scores) if self._scores else np.empty((0, 0))


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        positive_int(name, value)


def _bar(steps: range, show: bool) -> Any:  # noqa: ANN401 - a range, or tqdm around one
    if not show:
        return steps
    from tqdm import tqdm

    return tqdm(steps, desc="Finding communities", file=sys.stderr)
