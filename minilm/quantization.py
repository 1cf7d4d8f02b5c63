"""Embeddings in fewer bits: int8 by ranges, or a bit a component."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from minilm._arrays import FloatArray
from minilm.similarity import as_floats

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

# Fewer embeddings than this say little about the ranges of all that are to come.
FEW = 100

logger = logging.getLogger(__name__)


@overload
def quantize_embeddings(
    embeddings: list[npt.NDArray[np.float32]],
    precision: Precision,
    ranges: npt.ArrayLike | None = ...,
    calibration_embeddings: npt.ArrayLike | None = ...,
) -> list[npt.NDArray[Any]]: ...


@overload
def quantize_embeddings(
    embeddings: npt.ArrayLike,
    precision: Precision,
    ranges: npt.ArrayLike | None = ...,
    calibration_embeddings: npt.ArrayLike | None = ...,
) -> npt.NDArray[Any]: ...


def quantize_embeddings(
    embeddings: npt.ArrayLike | list[npt.NDArray[np.float32]],
    precision: Precision,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: npt.ArrayLike | None = None,
) -> npt.NDArray[Any] | list[npt.NDArray[Any]]:
    """Embeddings in a smaller type, as sentence-transformers' function of the same name defines it.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E) or (E,), or list of ndarrays of shape (n_tokens, E)
        The latter are token embeddings, and share their ranges.
    precision : {"float32", "int8", "uint8", "binary", "ubinary"}
        "uint8" is the number of the one of 256 steps between a component's least and largest value into which
        it falls, "int8" that less 128; a range of no width counts as of width 255. "ubinary" is a bit a
        component, 1 above 0, eight to a byte, the first the highest; "binary" that less 128.
    ranges : array_like of float, shape (2, E), optional
        Least and largest value of each component, for int8 and uint8.
    calibration_embeddings : array_like of float, shape (m, E), optional
        Embeddings to take the ranges from; by default they are taken from ``embeddings``.

    Returns
    -------
    ndarray, shape (n, E) or (E,), of float32, int8 or uint8; of bits, shape (n, E / 8 rounded up)
        Or a list of them.

    Raises
    ------
    ValueError
        If the precision is unknown, the embeddings are not floats, a range would have to be taken from a
        single embedding, or the ranges do not fit the embeddings.

    Examples
    --------
    >>> quantize_embeddings([[0.1, -0.2, 0.3]], "ubinary")
    array([[160]], dtype=uint8)
    >>> quantize_embeddings([[0.0], [0.5], [9.0]], "uint8", ranges=[[0.0], [1.0]]).tolist()
    [[0], [127], [255]]
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if isinstance(embeddings, list) and embeddings and getattr(embeddings[0], "ndim", 1) == 2:
        if ranges is None and calibration_embeddings is None and precision in ("int8", "uint8"):
            calibration_embeddings = np.concatenate(embeddings)
        return [quantize_embeddings(one, precision, ranges, calibration_embeddings) for one in embeddings]
    array = np.asarray(embeddings)
    if array.dtype.kind != "f" and array.size:
        raise ValueError(f"embeddings to quantize must be floats, not {array.dtype}")
    if precision == "float32":
        return array.astype(np.float32)
    if precision in ("binary", "ubinary"):
        bits = np.packbits(array > 0, axis=-1)
        return (
            bits if precision == "ubinary" else (bits ^ 0x80).view(np.int8)
        )  # less 128, in two's complement
    if array.ndim == 2 and not len(array):
        return np.empty(array.shape, precision)
    least, largest = _ranges(array, precision, ranges, calibration_embeddings)  # 2 x (E,)
    step = (largest - least) / np.float32(255)
    step = np.where(step == 0, np.float32(1), step)
    steps = np.clip(np.floor((array - least) / step), 0, 255).astype(np.uint8)
    return steps if precision == "uint8" else (steps ^ 0x80).view(np.int8)


def _ranges(
    array: FloatArray, precision: str, ranges: npt.ArrayLike | None, calibration: npt.ArrayLike | None
) -> npt.NDArray[np.float32]:
    if ranges is None:
        sample = array if calibration is None else as_floats(calibration)
        if sample.ndim != 2 or (calibration is None and len(sample) < 2) or not len(sample):
            raise ValueError(
                f"{precision} needs to know how far each component ranges, which a single embedding does not "
                "say: give ranges, or calibration_embeddings that stand for all that are to come"
            )
        if calibration is None and len(sample) < FEW:
            logger.warning(
                "the ranges for %s come from %d embeddings only; ranges or calibration_embeddings from more "
                "would be steadier",
                precision,
                len(sample),
            )
        ranges = np.stack([sample.min(axis=0), sample.max(axis=0)])
    found = as_floats(ranges).astype(np.float32)  # (2, E)
    if found.shape != (2, array.shape[-1]):
        raise ValueError(f"ranges must have shape (2, {array.shape[-1]}), not {found.shape}")
    return found


def truncate_embeddings(embeddings: npt.NDArray[Any], truncate_dim: int | None) -> npt.NDArray[Any]:
    """Keep the first ``truncate_dim`` components, or all if it is None: (..., E) to (..., truncate_dim)."""
    if truncate_dim is not None and truncate_dim < 1:
        raise ValueError(f"truncate_dim must be at least 1, not {truncate_dim}")
    return embeddings[..., :truncate_dim]
