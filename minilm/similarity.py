"""How alike two embeddings are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from minilm.pooling import normalize

Array = npt.NDArray[np.floating]


def dot_score(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
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
    first, second = _rows(a), _rows(b)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"embeddings of widths {first.shape[1]} and {second.shape[1]} cannot be compared")
    return first @ second.T


def cos_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """Cosine of the angle between every embedding in ``a`` and every one in ``b``, shape (n, m).

    Takes, returns and raises what :func:`dot_score` does. For normalized embeddings the two are the same.

    Examples
    --------
    >>> cos_sim([2.0, 0.0], [[5.0, 0.0], [3.0, 4.0]])
    array([[1. , 0.6]])
    """
    return dot_score(normalize(_rows(a)), normalize(_rows(b)))


def _rows(x: npt.ArrayLike) -> Array:
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"embeddings must be numbers, not {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    elif array.dtype.itemsize < 4:  # float16 is for keeping: 384 products summed in it lose two digits
        array = array.astype(np.float32)
    if array.ndim not in (1, 2):
        raise ValueError(f"embeddings must have one or two dimensions, not shape {array.shape}")
    return np.atleast_2d(array)
