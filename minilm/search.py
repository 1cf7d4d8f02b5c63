"""Exact search, paraphrase mining and community detection among embeddings, in blocks.

The functions, their arguments and their results are those of sentence-transformers. Every score is computed.
Only the best few of a block are kept, so that memory does not grow with the product of both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int, whole_number
from minilm._arrays import AnyArray, FloatArray, Int64Array, as_array, as_tensor, is_tensor, no_float_errors
from minilm._progress import progress_bar
from minilm.fast.nearest import Scores, TopK, cosines, dot_products, resolution, tolerances
from minilm.pooling import normalize
from minilm.similarity import Similarity, as_floats, as_rows, cos_sim, dot_score, same_width


class TextEncoder(Protocol):
    """A model whose ``encode`` returns one embedding per text, as :meth:`minilm.MiniLM.encode` does."""

    def encode(self, inputs: Sequence[str], /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return embeddings, shape (n, E)."""


class Hit(TypedDict):
    """An embedding of the corpus, and its score."""

    corpus_id: int
    score: float


@no_float_errors
def semantic_search(
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500_000,
    top_k: int = 10,
    score_function: Similarity = cos_sim,
) -> list[list[Hit]]:
    """Return the corpus embeddings nearest to each query.

    Parameters
    ----------
    query_embeddings : array_like of float, shape (n, E) or (E,)
    corpus_embeddings : array_like of float, shape (m, E)
        May be memory-mapped: it is read block by block.
    query_chunk_size, corpus_chunk_size : int
        Embeddings that are compared at a time; they limit the memory and do not change the result.
    top_k : int
        How many to return per query; 0 returns none.
    score_function : callable
        From (n, E) and (m, E) to scores (n, m); a larger score is nearer. The default is the cosine.

    Returns
    -------
    list of n lists of at most ``top_k`` {"corpus_id": int, "score": float}
        Nearest first; of equal scores the lower ``corpus_id`` first. Cosines and dot products count as equal
        if they differ by no more than rounding may: 2**-20 of the product of the lengths in float32.
        Of rows with different lengths the shortest counts.

    Raises
    ------
    ValueError
        If a size is not positive or the widths differ.

    Examples
    --------
    >>> semantic_search([1.0, 0.0], [[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], top_k=2)
    [[{'corpus_id': 2, 'score': 1.0}, {'corpus_id': 1, 'score': 0.6}]]
    """
    _check_sizes(query_chunk_size=query_chunk_size, corpus_chunk_size=corpus_chunk_size)
    score_function = _for_arrays(score_function, query_embeddings)
    queries = as_rows(query_embeddings)  # (n, E)
    if whole_number("top_k", top_k) == 0:
        return [[] for _ in queries]
    corpus = as_array(corpus_embeddings)  # (m, E), still on disk if it was
    is_dot = score_function in (cos_sim, dot_score)
    if is_dot and len(corpus):
        corpus = corpus if corpus.ndim == 2 and corpus.dtype.kind == "f" else as_rows(corpus)
        same_width(queries, corpus)
    tolerance = np.zeros(len(queries))
    if score_function is cos_sim:
        queries = normalize(queries)  # once, not again for every block of the other side
        tolerance += resolution(queries, corpus)
    elif is_dot and len(corpus):
        tolerance += tolerances(queries, corpus)
    parts = [slice(first, first + query_chunk_size) for first in range(0, len(queries), query_chunk_size)]
    chunks = [queries[part] for part in parts]
    best = [TopK(len(chunk), top_k, tolerance[part]) for chunk, part in zip(chunks, parts, strict=True)]
    for start in range(0, len(corpus), corpus_chunk_size):
        block = corpus[start : start + corpus_chunk_size]
        for chunk, top in zip(chunks, best, strict=True):
            for first, scores in _blocks_of_scores(score_function, chunk, block):
                top.add(scores, first_column=start + first)
    return [
        [{"corpus_id": i, "score": score} for i, score in zip(ids, scores, strict=True)]
        for top in best
        for ids, scores in zip(*(result.tolist() for result in top.best()), strict=True)
    ]


def _blocks_of_scores(score_function: Similarity, queries: FloatArray, block: AnyArray) -> Scores:
    if score_function is cos_sim:
        return cosines(queries, block)
    if score_function is dot_score:
        return dot_products(queries, block)
    return iter([(0, np.asarray(score_function(queries, block)))])


def information_retrieval(*arguments: Any, **options: Any) -> list[list[Hit]]:  # noqa: ANN401 - as semantic_search
    """Return what :func:`semantic_search` returns, by its former name."""
    return semantic_search(*arguments, **options)


def paraphrase_mining(
    model: TextEncoder,
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
    """Encode ``sentences``, and return their most similar pairs.

    All arguments are those of :meth:`minilm.MiniLM.encode` and :func:`paraphrase_mining_embeddings`.
    """
    embeddings = model.encode(
        sentences,
        show_progress_bar=show_progress_bar,
        batch_size=batch_size,
        truncate_dim=truncate_dim,
        prompt_name=prompt_name,
        prompt=prompt,
    )
    return paraphrase_mining_embeddings(
        embeddings, query_chunk_size, corpus_chunk_size, max_pairs, top_k, score_function
    )


@no_float_errors
def paraphrase_mining_embeddings(
    embeddings: npt.ArrayLike,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100_000,
    max_pairs: int = 500_000,
    top_k: int = 100,
    score_function: Similarity = cos_sim,
) -> list[list[float | int]]:
    """Return the most similar pairs among ``embeddings``.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E)
    query_chunk_size, corpus_chunk_size, score_function
        As for :func:`semantic_search`; the function must be symmetric.
    max_pairs : int
        The largest number of pairs to return.
    top_k : int
        How many neighbours of each embedding are considered.

    Returns
    -------
    list of [score, i, j]
        With i < j, each pair once, the most similar first.

    Examples
    --------
    >>> paraphrase_mining_embeddings([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]], max_pairs=2)
    [[0.8, 0, 2], [0.6, 1, 2]]
    """
    _check_sizes(query_chunk_size=query_chunk_size, corpus_chunk_size=corpus_chunk_size)
    score_function = _for_arrays(score_function, embeddings)
    if not whole_number("top_k", top_k) or not whole_number("max_pairs", max_pairs):
        return []
    rows = as_rows(embeddings)  # (n, E)
    count = len(rows)
    codes, scores = np.empty(0, np.int64), np.empty(0)  # a pair as i x n + j
    for first in range(0, count, query_chunk_size):
        chunk = rows[first : first + query_chunk_size]
        best = TopK(len(chunk), top_k + 1)  # each embedding is its own neighbour
        for start in range(0, count, corpus_chunk_size):
            block = score_function(chunk, rows[start : start + corpus_chunk_size])
            best.add(np.asarray(block), first_column=start)
        columns, neighbour_scores = best.best()  # (chunk, top_k + 1)
        i = np.arange(first, first + len(chunk))[:, None]  # (chunk, 1)
        is_other = columns != i
        is_other &= np.cumsum(is_other, axis=1) <= top_k
        low, high = np.minimum(i, columns)[is_other], np.maximum(i, columns)[is_other]
        codes = np.concatenate([codes, low * count + high])
        scores = np.concatenate([scores, neighbour_scores[is_other]])
        codes, places = np.unique(codes, return_index=True)  # a pair may come from both of its embeddings
        scores = scores[places]
        if len(codes) > max_pairs:
            best_pairs = np.sort(np.argpartition(-scores, max_pairs - 1)[:max_pairs])
            codes, scores = codes[best_pairs], scores[best_pairs]
    order = np.argsort(-scores, kind="stable")
    return [[float(scores[at]), int(codes[at]) // count, int(codes[at]) % count] for at in order]


@no_float_errors
def community_detection(
    embeddings: npt.ArrayLike,
    threshold: float = 0.75,
    min_community_size: int = 10,
    batch_size: int = 1024,
    show_progress_bar: bool = False,
) -> list[list[int]]:
    """Return groups of embeddings around a centre, to which each has a cosine of at least ``threshold``.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E)
    threshold : float
        The smallest cosine to the centre.
    min_community_size : int
        Groups with fewer members, the centre included, are left out.
    batch_size : int
        Embeddings that are compared with all others at a time.
    show_progress_bar : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    list of lists of int
        The largest group first. In each group the centre comes first, then the others by decreasing cosine.
        No embedding is in two groups: larger groups take their members first.

    Examples
    --------
    >>> community_detection([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1], [0.95, 0.0]], min_community_size=2)
    [[0, 3, 2]]
    """
    _check_sizes(min_community_size=min_community_size, batch_size=batch_size)
    rows = as_rows(embeddings)  # (n, E)
    if not rows.size or len(rows) < min_community_size:
        return []
    rows = normalize(rows)
    lowest = rows.dtype.type(threshold)
    candidates: list[tuple[int, Int64Array]] = []  # a centre, and its neighbours by decreasing cosine
    with progress_bar(show_progress_bar, len(rows), desc="Finding communities", unit="embedding") as bar:
        for start in range(0, len(rows), batch_size):
            scores = rows[start : start + batch_size] @ rows.T  # (batch, n)
            is_near = scores >= lowest
            for offset in np.flatnonzero(is_near.sum(axis=1) >= min_community_size):
                members = np.flatnonzero(is_near[offset])
                order = np.argsort(-scores[offset, members], kind="stable")
                candidates.append((start + int(offset), members[order]))
            bar.update(len(scores))
    candidates.sort(key=lambda candidate: -len(candidate[1]))
    is_taken = np.zeros(len(rows), bool)
    communities = []
    for centre, members in candidates:
        remaining = members[~is_taken[members]]
        if not is_taken[centre] and len(remaining) >= min_community_size:
            communities.append([centre, *(int(i) for i in remaining if i != centre)])
            is_taken[remaining] = True
    return sorted(communities, key=len, reverse=True)


def _for_arrays(score_function: Similarity, embeddings: object) -> Similarity:
    """Return the function for arrays, if a caller's own function is to get torch's tensors."""
    if score_function is cos_sim or not is_tensor(embeddings):
        return score_function
    return lambda a, b: as_floats(score_function(as_tensor(a), as_tensor(b)))


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        positive_int(name, value)
