"""Similarity of embeddings: cosine, dot product, and the negative Euclidean and Manhattan distances.

all-MiniLM-L6-v2 was trained for the cosine ([1]_, figure 2). Its embeddings have length 1, so their dot
product is their cosine.

Each measure has two functions, with the names of sentence-transformers: one compares all embeddings with all
others, one compares pairs. A larger score always means more similar. n and m embeddings have the width E.

References
----------
.. [1] Reimers and Gurevych 2019, "Sentence-BERT", https://arxiv.org/abs/1908.10084
.. [2] Li and Li 2023, "AnglE-optimized Text Embeddings", https://arxiv.org/abs/2309.12871
.. [3] Khattab and Zaharia 2020, "ColBERT", https://arxiv.org/abs/2004.12832
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt

from minilm._arrays import FloatArray, as_array, as_tensor, is_tensor, no_float_errors
from minilm.pooling import normalize

Similarity = Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray]


def _also_for_tensors(measure: Similarity) -> Similarity:
    """Make a function of arrays take torch's tensors as well, and then return one."""

    @wraps(measure)
    def measured(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
        scores = measure(a, b)
        return as_tensor(scores) if is_tensor(a) or is_tensor(b) else scores

    return measured


@_also_for_tensors
@no_float_errors
def dot_score(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Dot product of every embedding in ``a`` with every one in ``b``.

    Parameters
    ----------
    a, b : array_like of float, shape (n, E) or (E,), and (m, E) or (E,)
        A single embedding counts as one row.

    Returns
    -------
    ndarray, shape (n, m)
        In the wider of the two dtypes, and at least float32.

    Raises
    ------
    ValueError
        If the arrays are not one or two-dimensional or differ in width.

    Examples
    --------
    >>> dot_score([1.0, 0.0], [[1.0, 0.0], [0.6, 0.8]])
    array([[1. , 0.6]])
    """
    first, second = same_width(as_rows(a), as_rows(b))
    return first @ second.T


@_also_for_tensors
@no_float_errors
def cos_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Cosine of the angle between every embedding in ``a`` and every one in ``b``, shape (n, m).

    Takes, returns and raises what :func:`dot_score` does. For normalized embeddings the two are the same.

    Examples
    --------
    >>> cos_sim([2.0, 0.0], [[5.0, 0.0], [3.0, 4.0]])
    array([[1. , 0.6]])
    """
    return dot_score(normalize(as_rows(a)), normalize(as_rows(b)))


@_also_for_tensors
@no_float_errors
def euclidean_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Minus the Euclidean distance of every embedding in ``a`` to every one in ``b``, shape (n, m).

    Takes, returns and raises what :func:`dot_score` does.

    Examples
    --------
    >>> euclidean_sim([0.0, 0.0], [[3.0, 4.0], [0.0, 0.0]])
    array([[-5., -0.]])
    """
    first, second = same_width(as_rows(a), as_rows(b))
    # |x - y|^2 = |x|^2 + |y|^2 - 2xy loses half the digits where x and y are near; float64 has enough of them
    x, y = first.astype(np.float64), second.astype(np.float64)
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * (x @ y.T)  # (n, m)
    return -np.sqrt(np.maximum(squares, 0)).astype(np.result_type(first, second))


@_also_for_tensors
@no_float_errors
def manhattan_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Minus the Manhattan distance of every embedding in ``a`` to every one in ``b``, shape (n, m).

    It is the sum of the absolute differences. Takes, returns and raises what :func:`dot_score` does.

    Examples
    --------
    >>> manhattan_sim([0.0, 0.0], [[3.0, 4.0], [0.0, 0.0]])
    array([[-7., -0.]])
    """
    first, second = same_width(as_rows(a), as_rows(b))
    scores = np.empty((len(first), len(second)), np.result_type(first, second))  # (n, m)
    # one row at a time: all differences at once would take n x m x E numbers
    for row, x in zip(scores, first, strict=True):
        row[:] = -np.abs(second - x).sum(axis=1)
    return scores


@_also_for_tensors
@no_float_errors
def pairwise_dot_score(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Dot product of each embedding in ``a`` with the embedding in the same row of ``b``.

    Parameters
    ----------
    a, b : array_like of float, shape (n, E), (1, E) or (E,)
        A single embedding is paired with every one of the other array.

    Returns
    -------
    ndarray, shape (n,), or () for two single embeddings

    Raises
    ------
    ValueError
        If the widths or the numbers of embeddings differ.

    Examples
    --------
    >>> pairwise_dot_score([[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [0.6, 0.8]])
    array([0.6, 0.8])
    """
    first, second = _pairs(a, b)
    return np.asarray((first * second).sum(axis=-1))


@_also_for_tensors
@no_float_errors
def pairwise_cos_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Cosine of each pair, shape (n,): see :func:`pairwise_dot_score`."""
    first, second = _pairs(a, b)
    return pairwise_dot_score(normalize(first), normalize(second))


@_also_for_tensors
@no_float_errors
def pairwise_euclidean_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Minus the Euclidean distance of each pair, shape (n,): see :func:`pairwise_dot_score`."""
    first, second = _pairs(a, b)
    return np.asarray(-np.linalg.norm(first - second, axis=-1))


@_also_for_tensors
@no_float_errors
def pairwise_manhattan_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Minus the Manhattan distance of each pair, shape (n,): see :func:`pairwise_dot_score`."""
    first, second = _pairs(a, b)
    return np.asarray(-np.abs(first - second).sum(axis=-1))


def normalize_embeddings(embeddings: npt.ArrayLike) -> FloatArray:
    """Each embedding divided by its Euclidean length, (n, E) or (E,); a tensor of torch for one.

    Examples
    --------
    >>> normalize_embeddings([3.0, 4.0])
    array([0.6, 0.8])
    """
    normalized = normalize(as_floats(embeddings))
    return as_tensor(normalized) if is_tensor(embeddings) else normalized


@_also_for_tensors
@no_float_errors
def pairwise_angle_sim(x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """AnglE similarity [2]_ of each pair, shape (n,): see :func:`pairwise_dot_score`.

    Each embedding is scaled to length 1, and its halves are the real and the imaginary parts of numbers.
    """
    first, second = (normalize(vectors) for vectors in _pairs(x, y))
    if first.shape[-1] % 2:  # a last component of 0 belongs to the second half
        first, second = (np.concatenate([v, np.zeros_like(v[..., :1])], axis=-1) for v in (first, second))
    half = first.shape[-1] // 2
    sines = first[..., half:] * second[..., :half] - first[..., :half] * second[..., half:]
    return np.asarray(np.abs((first * second).sum(axis=-1) + sines.sum(axis=-1)))


# By a checkpoint's ``similarity_fn_name``: the function for all with all, and the function for pairs.
SIMILARITY: dict[str, tuple[Similarity, Similarity]] = {
    "cosine": (cos_sim, pairwise_cos_sim),
    "dot": (dot_score, pairwise_dot_score),
    "euclidean": (euclidean_sim, pairwise_euclidean_sim),
    "manhattan": (manhattan_sim, pairwise_manhattan_sim),
}


# What a document without tokens scores, as in sentence-transformers: less than any other.
_NO_TOKENS = np.float32(-1e9)

# Numbers of documents' token vectors, and of their scores, that MaxSim has at a time: 64 MB in float32.
_CHUNK_ELEMENTS = 16_000_000


@no_float_errors
def maxsim(
    a: Any,  # noqa: ANN401 - arrays or tensors
    b: Any,  # noqa: ANN401
    a_mask: Any = None,  # noqa: ANN401
    b_mask: Any = None,  # noqa: ANN401
    chunk_elements: int | None = None,
    length_normalize: bool = False,
) -> Any:  # noqa: ANN401
    """MaxSim of every query in ``a`` with every document in ``b``, as in ColBERT ([3]_, equation 3).

    Each token of the query takes its largest dot product with a token of the document, and these are added.

    Parameters
    ----------
    a, b : array_like of float, shape (tokens, E), or a sequence of n and of m of them
        Token vectors, such as those of :class:`minilm.MultiVectorEncoder`. In an array of three dimensions
        without a mask, rows of zeros are padding.
    a_mask, b_mask : array_like of 0 and 1, shape (tokens,), or a sequence of n and of m of them, optional
        1 for a token that counts, 0 for padding.
    chunk_elements : int, optional
        About how many numbers are computed at a time; None is 16 million.
    length_normalize : bool
        Divide each score by the number of the query's tokens.

    Returns
    -------
    ndarray of float32, shape (n, m)
        -1e9 for a document without tokens, before any division.

    Raises
    ------
    ValueError
        If the widths differ, or a mask does not fit.

    Examples
    --------
    >>> maxsim([[1, 0], [0, 1]], [[[2, 0], [0, 3]], [[1, 1]]])
    array([[5., 2.]], dtype=float32)
    """
    queries, documents = _token_matrices("a", a, a_mask), _token_matrices("b", b, b_mask)
    most = _CHUNK_ELEMENTS if chunk_elements is None else chunk_elements
    if most < 1:
        raise ValueError(f"chunk_elements must be a positive whole number, not {chunk_elements}")
    scores = np.full((len(queries), len(documents)), _NO_TOKENS, np.float32)  # (n, m)
    widest = max((sum(query.shape) for query in queries), default=1)  # numbers per token of a document
    lengths = np.array([len(document) for document in documents], np.int64)  # (m,)
    filled = np.flatnonzero(lengths)
    shares = np.cumsum(lengths[filled] * widest) // most  # documents of one share go together
    for chunk in np.split(filled, np.flatnonzero(np.diff(shares)) + 1) if len(filled) else []:
        starts = np.cumsum([0, *lengths[chunk[:-1]]])
        tokens = np.concatenate([same_width(documents[chunk[0]], documents[i])[1] for i in chunk])  # (T, E)
        for row, query in zip(scores, queries, strict=True):
            first, second = same_width(query, tokens)
            largest = np.maximum.reduceat(first @ second.T, starts, axis=1)  # (tokens, chunk)
            row[chunk] = largest.astype(np.float32).sum(axis=0)
    if length_normalize:
        scores /= np.array([max(len(query), 1) for query in queries], np.float32)[:, None]
    return as_tensor(scores) if is_tensor(a) or is_tensor(b) else scores


@no_float_errors
def maxsim_pairwise(
    a: Any,  # noqa: ANN401 - as above
    b: Any,  # noqa: ANN401
    a_mask: Any = None,  # noqa: ANN401
    b_mask: Any = None,  # noqa: ANN401
    chunk_elements: int | None = None,
    length_normalize: bool = False,
) -> Any:  # noqa: ANN401
    """MaxSim (n,) of the query and the document at the same position: see :func:`maxsim`."""
    queries, documents = _token_matrices("a", a, a_mask), _token_matrices("b", b, b_mask)
    if len(queries) != len(documents):
        raise ValueError(
            f"a has {len(queries)} queries and b has {len(documents)} documents, which make no pairs"
        )
    rows = [
        maxsim([query], [document], chunk_elements=chunk_elements, length_normalize=length_normalize)[0]
        for query, document in zip(queries, documents, strict=True)
    ]
    scores = np.array(rows, np.float32).reshape(-1)
    return as_tensor(scores) if is_tensor(a) or is_tensor(b) else scores


def _token_matrices(name: str, x: Any, mask: Any = None) -> list[FloatArray]:  # noqa: ANN401
    """One matrix (tokens, E) per text, of the tokens that count; a single matrix is one text."""
    texts = [*x]
    if getattr(x, "ndim", 0) == 2 or (texts and np.ndim(as_array(texts[0])) == 1):  # rows of one matrix
        texts = [x]
        mask = None if mask is None else [as_array(mask).reshape(-1)]
    elif mask is None and getattr(x, "ndim", 0) == 3:
        mask = [as_array(text).any(axis=-1) for text in texts]
    matrices = [as_floats(text) for text in texts]
    for index, matrix in enumerate(matrices):
        if matrix.ndim != 2:
            raise ValueError(f"{name}[{index}] must have the shape (tokens, E), not {matrix.shape}")
    if mask is None:
        return matrices
    masks = [as_array(row)[: len(matrix)] for row, matrix in zip(mask, matrices, strict=False)]
    if [row.shape for row in masks] != [matrix.shape[:1] for matrix in matrices]:
        raise ValueError(f"{name}_mask must have a number for each token of each text in {name}")
    if not all(np.isin(row, (0, 1)).all() for row in masks):
        raise ValueError(f"{name}_mask must have 0 and 1 only")
    return [matrix[row.astype(bool)] for row, matrix in zip(masks, matrices, strict=True)]


# MaxSim and its mean, by a checkpoint's ``similarity_fn_name``: whether the number of tokens divides a score
TOKEN_SIMILARITY = {"maxsim": False, "meanmaxsim": True}


class SimilarityFunction(Enum):
    """The measures by name, as sentence-transformers has them for its encoders of one vector per text."""

    COSINE = "cosine"
    DOT_PRODUCT = "dot"
    DOT = "dot"  # noqa: PIE796 - another name for it
    EUCLIDEAN = "euclidean"
    MANHATTAN = "manhattan"

    @staticmethod
    def to_similarity_fn(similarity_function: str | SimilarityFunction) -> Similarity:
        """Return the function that compares all embeddings with all others."""
        return SIMILARITY[SimilarityFunction(similarity_function).value][0]

    @staticmethod
    def to_similarity_pairwise_fn(similarity_function: str | SimilarityFunction) -> Similarity:
        """Return the function that compares pairs."""
        return SIMILARITY[SimilarityFunction(similarity_function).value][1]

    @staticmethod
    def possible_values() -> list[str]:
        """Return the names."""
        return [function.value for function in SimilarityFunction]


@no_float_errors
def as_floats(x: npt.ArrayLike) -> FloatArray:
    """Return embeddings as an array of at least float32, or raise ValueError; integers become float64."""
    _refuse_missing(x if isinstance(x, (list, tuple)) else ())
    try:
        array = np.asarray(as_array(x))
    except ValueError as error:  # rows of different widths
        raise ValueError(f"embeddings must all have the same width: {error}") from None
    _refuse_missing(array if array.dtype == object and array.ndim else ())
    if array.dtype.kind not in "fiu":
        hint = ": of a table pass one column, df['embedding']" if hasattr(type(x), "columns") else ""
        raise ValueError(f"embeddings must be numbers, not {array.dtype}{hint}")
    if array.ndim not in (1, 2):
        raise ValueError(f"embeddings must have one or two dimensions, not shape {array.shape}")
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    # a sum of 384 products in float16 loses two digits
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def as_rows(x: npt.ArrayLike) -> FloatArray:
    """Return what :func:`as_floats` does, a single embedding as one row: shape (n, E)."""
    return np.atleast_2d(as_floats(x))


def _refuse_missing(rows: Iterable[object]) -> None:
    for index, row in enumerate(rows):
        if row is None:
            raise ValueError(f"embeddings must be numbers, not missing: embeddings[{index}] is None")


def same_width(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both arrays of embeddings; raise ValueError if they differ in width."""
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"embeddings of widths {first.shape[-1]} and {second.shape[-1]} cannot be compared")
    return first, second


def _pairs(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    first, second = same_width(as_floats(a), as_floats(b))
    if first.ndim == second.ndim == 2 and len(first) != len(second) and 1 not in (len(first), len(second)):
        raise ValueError(f"{len(first)} embeddings and {len(second)} are not pairs")
    return first, second
