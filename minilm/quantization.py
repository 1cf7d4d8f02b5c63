"""Quantization: embeddings in fewer bits, as int8 by ranges or as one bit per component."""

from __future__ import annotations

import logging
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from minilm._arguments import unknown_name
from minilm._arrays import AnyArray, Float32Array, FloatArray
from minilm.similarity import as_floats

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
FEW = 100  # the ranges of fewer embeddings say little about those of later ones

logger = logging.getLogger(__name__)


@overload
def quantize_embeddings(
    embeddings: list[Float32Array],
    precision: Precision,
    ranges: npt.ArrayLike | None = ...,
    calibration_embeddings: npt.ArrayLike | None = ...,
) -> list[AnyArray]: ...
@overload
def quantize_embeddings(
    embeddings: npt.ArrayLike,
    precision: Precision,
    ranges: npt.ArrayLike | None = ...,
    calibration_embeddings: npt.ArrayLike | None = ...,
) -> AnyArray: ...
def quantize_embeddings(
    embeddings: npt.ArrayLike | list[Float32Array],
    precision: Precision,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: npt.ArrayLike | None = None,
) -> AnyArray | list[AnyArray]:
    """Return embeddings in a smaller type, as the function of the same name in sentence-transformers does.

    Parameters
    ----------
    embeddings : array_like of float, shape (n, E) or (E,), or list of ndarrays of shape (n_tokens, E)
        A list holds token embeddings, which share their ranges.
    precision : {"float32", "int8", "uint8", "binary", "ubinary"}
        "uint8" divides the range of each component into 256 steps and stores the number of the step. "int8"
        stores that number minus 128. A range of zero width counts as 255 wide. "ubinary" stores one bit per
        component, 1 above zero, with eight in a byte and the first in the highest bit. "binary" stores that
        byte minus 128.
    ranges : array_like of float, shape (2, E), optional
        The smallest and the largest value of each component, for int8 and uint8.
    calibration_embeddings : array_like of float, shape (m, E), optional
        Embeddings that give the ranges; by default ``embeddings`` do.

    Returns
    -------
    ndarray of float32, int8 or uint8, shape (n, E) or (E,); of bits, shape (n, E / 8 rounded up)
        Or a list of them.

    Raises
    ------
    ValueError
        If the precision is unknown, the embeddings are not floats, or the ranges are missing or do not fit.

    Examples
    --------
    >>> quantize_embeddings([[0.1, -0.2, 0.3]], "ubinary")
    array([[160]], dtype=uint8)
    >>> quantize_embeddings([[0.0], [0.5], [9.0]], "uint8", ranges=[[0.0], [1.0]]).tolist()
    [[0], [127], [255]]
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if isinstance(embeddings, list) and embeddings and getattr(embeddings[0], "ndim", 1) == 2:
        if ranges is None and calibration_embeddings is None and precision in ("int8", "uint8"):
            calibration_embeddings = np.concatenate(embeddings)
        return [quantize_embeddings(e, precision, ranges, calibration_embeddings) for e in embeddings]
    array = np.asarray(embeddings)
    if array.dtype.kind != "f" and array.size:
        raise ValueError(f"embeddings to quantize must be floats, not {array.dtype}")
    if precision == "float32":
        return array.astype(np.float32)
    if precision in ("binary", "ubinary"):
        bits = np.packbits(array > 0, axis=-1)
        # flipping the highest bit subtracts 128, in two's complement
        return bits if precision == "ubinary" else (bits ^ 0x80).view(np.int8)
    if array.ndim == 2 and not len(array):
        return np.empty(array.shape, precision)
    lowest, highest = _ranges(array, precision, ranges, calibration_embeddings)  # 2 x (E,)
    step = (highest - lowest) / np.float32(255)
    step = np.where(step == 0, np.float32(1), step)
    steps = np.clip(np.floor((array - lowest) / step), 0, 255).astype(np.uint8)
    return steps if precision == "uint8" else (steps ^ 0x80).view(np.int8)


def _ranges(
    array: FloatArray, precision: str, ranges: npt.ArrayLike | None, calibration: npt.ArrayLike | None
) -> Float32Array:
    if ranges is None:
        sample = array if calibration is None else as_floats(calibration)
        if sample.ndim != 2 or (calibration is None and len(sample) < 2) or not len(sample):
            raise ValueError(
                f"{precision} needs the range of each component, which a single embedding does not give: "
                "pass ranges, or calibration_embeddings that represent all later embeddings"
            )
        if calibration is None and len(sample) < FEW:
            message = "the ranges for %s come from only %d embeddings; for reliable ones pass ranges, or "
            logger.warning(message + "calibration_embeddings", precision, len(sample))
        ranges = np.stack([sample.min(axis=0), sample.max(axis=0)])
    limits = as_floats(ranges).astype(np.float32)  # (2, E)
    if limits.shape != (2, array.shape[-1]):
        raise ValueError(f"ranges must have shape (2, {array.shape[-1]}), not {limits.shape}")
    return limits


def truncate_embeddings(embeddings: AnyArray, truncate_dim: int | None) -> AnyArray:
    """Return the first ``truncate_dim`` components, a view (..., truncate_dim), or all if it is None.

    Raises
    ------
    ValueError
        If ``truncate_dim`` is less than 1.
    """
    if truncate_dim is not None and truncate_dim < 1:
        raise ValueError(f"truncate_dim must be at least 1, not {truncate_dim}")
    return embeddings[..., :truncate_dim]
