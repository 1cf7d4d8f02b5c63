"""Quantization: embeddings in fewer bits, as int8 by ranges or one bit per component; search among them."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int, unknown_name
from minilm._arrays import (
    AnyArray,
    Float32Array,
    Float64Array,
    FloatArray,
    as_array,
    is_tensor,
    no_float_errors,
)
from minilm.errors import import_extra
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
@no_float_errors
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
        If the precision is unknown, the embeddings are not floats, or the ranges are missing or do not fit;
        of int8 and uint8 if a number is not finite.

    Examples
    --------
    >>> quantize_embeddings([[0.1, -0.2, 0.3]], "ubinary")
    array([[160]], dtype=uint8)
    >>> quantize_embeddings([[0.0], [0.5], [9.0]], "uint8", ranges=[[0.0], [1.0]]).tolist()
    [[0], [127], [255]]
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if isinstance(embeddings, list) and not embeddings:
        return []
    if isinstance(embeddings, list) and getattr(embeddings[0], "ndim", 1) == 2:
        matrices = [as_array(matrix) for matrix in embeddings]
        sample = np.concatenate(matrices)
        if (
            ranges is None
            and calibration_embeddings is None
            and precision in ("int8", "uint8")
            and len(sample)
        ):
            calibration_embeddings = sample
        return [quantize_embeddings(e, precision, ranges, calibration_embeddings) for e in matrices]
    array = np.asarray(as_array(embeddings))
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
    limits = _ranges(array, precision, ranges, calibration_embeddings)
    if not (np.isfinite(array).all() and np.isfinite(limits).all()):
        raise ValueError(f"{precision} needs finite numbers, and the embeddings or their ranges have others")
    lowest, step = steps(limits)
    numbers = np.clip(np.floor((array - lowest) / step), 0, 255).astype(np.uint8)
    return numbers if precision == "uint8" else (numbers ^ 0x80).view(np.int8)


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
    return (embeddings if is_tensor(embeddings) else as_array(embeddings))[..., :truncate_dim]


def semantic_search_faiss(
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike | None = None,
    corpus_index: Any = None,  # noqa: ANN401 - an index of faiss
    corpus_precision: str = "float32",
    top_k: int = 10,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: npt.ArrayLike | None = None,
    rescore: bool = True,
    rescore_multiplier: int = 2,
    exact: bool = True,
    output_index: bool = False,
) -> tuple[Any, ...]:
    """Return the corpus embeddings nearest to each query, found by faiss among quantized ones.

    Parameters
    ----------
    query_embeddings : array_like of float, shape (n, E)
        They are quantized as the corpus is. Quantized ones are taken as they are, and then never rescored.
    corpus_embeddings : array_like, shape (m, E), or of bits (m, E / 8 rounded up), optional
        What :func:`quantize_embeddings` made in ``corpus_precision``.
    corpus_index : faiss index, optional
        The index of an earlier search, in the place of ``corpus_embeddings``.
    corpus_precision : {"float32", "uint8", "ubinary"}
    top_k : int
        How many to return per query.
    ranges, calibration_embeddings
        As for :func:`quantize_embeddings`; those with which the corpus was quantized.
    rescore : bool
        Find ``rescore_multiplier`` times as many, and keep the best by the dot product with the float query.
    rescore_multiplier : int
    exact : bool
        Compare with all embeddings; False builds a graph (HNSW), which may miss some.
    output_index : bool
        Return the index as well.

    Returns
    -------
    list of n lists of {"corpus_id": int, "score": float}, seconds, and with ``output_index`` the index

    Raises
    ------
    ImportError
        If faiss is not installed.
    ValueError
        If not exactly one of corpus and index is given, or an option has a value that is not possible.
    """
    library = _Faiss()
    options = (ranges, calibration_embeddings, rescore, rescore_multiplier, exact, output_index)
    return _search(
        library, query_embeddings, corpus_embeddings, corpus_index, corpus_precision, top_k, *options
    )


def semantic_search_usearch(
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike | None = None,
    corpus_index: Any = None,  # noqa: ANN401 - an index of usearch
    corpus_precision: str = "float32",
    top_k: int = 10,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: npt.ArrayLike | None = None,
    rescore: bool = True,
    rescore_multiplier: int = 2,
    exact: bool = True,
    output_index: bool = False,
) -> tuple[Any, ...]:
    """Return the corpus embeddings nearest to each query, by usearch: see :func:`semantic_search_faiss`.

    ``corpus_precision`` is "float32", "int8", "binary" or "ubinary". Without rescoring a score is usearch's
    distance, of which the smallest is nearest.
    """
    library = _Usearch()
    options = (ranges, calibration_embeddings, rescore, rescore_multiplier, exact, output_index)
    return _search(
        library, query_embeddings, corpus_embeddings, corpus_index, corpus_precision, top_k, *options
    )


class _Faiss:
    """An index of faiss. A row of ids ends in -1 where it finds too few."""

    precisions = ("float32", "uint8", "ubinary")

    def __init__(self) -> None:
        self.faiss = import_extra("faiss", package="faiss-cpu", feature="semantic_search_faiss")

    def build(self, corpus: AnyArray, precision: str, exact: bool) -> Any:  # noqa: ANN401 - of faiss
        if precision == "ubinary":
            bits = corpus.shape[1] * 8
            index = self.faiss.IndexBinaryFlat(bits) if exact else self.faiss.IndexBinaryHNSW(bits, 16)
        elif exact:
            index = self.faiss.IndexFlatIP(corpus.shape[1])
        else:
            index = self.faiss.IndexHNSWFlat(corpus.shape[1], 16, self.faiss.METRIC_INNER_PRODUCT)
        index.add(np.ascontiguousarray(corpus))
        return index

    def search(self, index: Any, queries: AnyArray, k: int, _: bool) -> tuple[AnyArray, AnyArray]:  # noqa: ANN401
        scores, ids = index.search(np.ascontiguousarray(queries), k)
        return scores, ids

    def stored(self, index: Any, ids: AnyArray) -> AnyArray:  # noqa: ANN401
        return np.array([index.reconstruct(int(i)) for i in ids])


class _Usearch:
    """An index of usearch, which counts what it finds."""

    precisions = ("float32", "int8", "binary", "ubinary")
    _KINDS: ClassVar = {"float32": ("cos", "f32"), "int8": ("ip", "i8")}

    def __init__(self) -> None:
        self.usearch = import_extra("usearch.index", package="usearch", feature="semantic_search_usearch")

    def build(self, corpus: AnyArray, precision: str, _: bool) -> Any:  # noqa: ANN401 - of usearch
        metric, dtype = self._KINDS.get(precision, ("hamming", "b1"))
        width = corpus.shape[1] * (8 if dtype == "b1" else 1)
        index = self.usearch.Index(ndim=width, metric=metric, dtype=dtype)
        index.add(np.arange(len(corpus)), corpus)
        return index

    def search(self, index: Any, queries: AnyArray, k: int, exact: bool) -> tuple[AnyArray, AnyArray]:  # noqa: ANN401
        found = index.search(queries, count=k, exact=exact)
        ids, scores = np.atleast_2d(found.keys).astype(np.int64), np.atleast_2d(found.distances)
        counts = np.asarray(getattr(found, "counts", ids.shape[1])).reshape(-1, 1)
        return scores, np.where(np.arange(ids.shape[1]) < counts, ids, -1)

    def stored(self, index: Any, ids: AnyArray) -> AnyArray:  # noqa: ANN401
        return np.asarray(index.get(ids))


@no_float_errors
def _search(
    library: _Faiss | _Usearch,
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike | None,
    index: Any,  # noqa: ANN401 - of the library
    precision: str,
    top_k: int,
    ranges: npt.ArrayLike | None,
    calibration_embeddings: npt.ArrayLike | None,
    rescore: bool,
    rescore_multiplier: int,
    exact: bool,
    output_index: bool,
) -> tuple[Any, ...]:
    """Build the index if it is not there, quantize the queries, search, and rescore what is found."""
    if precision not in library.precisions:
        raise unknown_name("corpus_precision", precision, library.precisions)
    if (corpus_embeddings is None) == (index is None):
        raise ValueError("give corpus_embeddings or corpus_index, one of the two")
    k = positive_int("top_k", top_k)
    if index is None:
        index = library.build(raw_bits(as_array(corpus_embeddings), precision), precision, exact)
    queries = np.atleast_2d(as_array(query_embeddings))  # (n, E)
    is_rescored = rescore and precision != "float32" and queries.dtype.kind == "f"
    if rescore and not is_rescored:
        logger.warning("rescore has no effect: it needs queries of floats and a corpus that is quantized")
    quantized = queries
    if queries.dtype.kind == "f":
        if precision in ("int8", "uint8") and ranges is None:
            ranges = _ranges(queries, precision, None, calibration_embeddings)
        quantized = np.asarray(quantize_embeddings(queries, precision, ranges))  # type: ignore[call-overload]
    start = time.perf_counter()
    found = k * positive_int("rescore_multiplier", rescore_multiplier) if is_rescored else k
    scores, ids = library.search(index, raw_bits(quantized, precision), found, exact)
    results = []
    for query, row, places in zip(queries, scores, ids, strict=True):
        kept, numbers = row[places >= 0], places[places >= 0]
        if is_rescored and len(numbers):
            kept = dequantized(library.stored(index, numbers), precision, ranges, len(query)) @ query
            order = np.argsort(-kept, kind="stable")[:k]
            kept, numbers = kept[order], numbers[order]
        results.append([{"corpus_id": int(i), "score": float(s)} for i, s in zip(numbers, kept, strict=True)])
    seconds = time.perf_counter() - start
    return (results, seconds, index) if output_index else (results, seconds)


def raw_bits(embeddings: AnyArray, precision: str) -> AnyArray:
    """Return bytes as an index of bits reads them; "binary" is 128 less."""
    return embeddings.view(np.uint8) ^ np.uint8(0x80) if precision == "binary" else embeddings


def stored_type(dtype: str, width: int) -> tuple[np.dtype[Any], int]:
    """Return the type and the number of what is stored per embedding, by its type or precision."""
    if dtype in ("binary", "ubinary"):
        return np.dtype("int8" if dtype == "binary" else "uint8"), -(-width // 8)
    return np.dtype(dtype), width


def unit_ranges(width: int) -> Float32Array:
    """Return ranges (2, E) for embeddings of length 1 that are not known yet.

    They are 10 standard deviations of the components wide to each side, and no component can exceed 1. The
    components of all-MiniLM-L6-v2 reach 8.
    """
    limit = np.float32(min(1.0, 10 / width**0.5))
    return np.stack([np.full(width, -limit), np.full(width, limit)])


def dequantized(stored: AnyArray, precision: str, ranges: npt.ArrayLike | None, width: int) -> Float64Array:
    """Return what quantized embeddings (n, E) stand for: 0 and 1 for bits, else the start of their step."""
    if precision in ("binary", "ubinary"):
        return np.unpackbits(stored.astype(np.uint8), axis=-1)[:, :width].astype(np.float64)
    lowest, step = steps(ranges)  # type: ignore[arg-type]
    numbers = stored.astype(np.float64) + (128 if precision == "int8" else 0)
    return np.asarray(numbers * step + lowest)


def steps(ranges: npt.ArrayLike) -> tuple[Float32Array, Float32Array]:
    """Return where the first step of each component begins, and how wide its steps are."""
    lowest, highest = as_floats(ranges).astype(np.float32)  # 2 x (E,)
    step = (highest - lowest) / np.float32(255)
    return lowest, np.where(step == 0, np.float32(1), step)
