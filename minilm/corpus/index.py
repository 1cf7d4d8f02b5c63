"""Exact search over the vectors that ``minilm encode`` wrote, block by block, without loading them all.

An index may come from anyone. Nothing in it is unpickled or executed. Whatever is not rows of finite numbers
is refused with the name of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int
from minilm._arrays import AnyArray, Float32Array, FloatArray, Int64Array
from minilm.corpus.formats.parquet_index import parquet_files
from minilm.corpus.formats.registry import vector_format
from minilm.corpus.formats.shard import EMBEDDING
from minilm.corpus.manifest import damage_named, manifest_path
from minilm.errors import CorpusError
from minilm.fast.nearest import Scores, TopK, bit_similarities, dot_products, tolerances
from minilm.pooling import POOLING
from minilm.quantization import PRECISIONS, dequantized, quantize_embeddings, raw_bits, steps
from minilm.similarity import as_floats

BLOCK_ROWS = 16_384  # 24 MiB of 384 float32 components: larger blocks are not faster
_QUERIES = 256  # the products of so many queries with a block, 16 MiB, are in memory at a time


class IndexHit(NamedTuple):
    """A row of the index, counted from 0, with its score, and its text if the index has texts."""

    row: int
    score: float
    text: str | None


class Index:
    """Vectors on disk, of which one block at a time is in memory.

    Parameters
    ----------
    path : Path
        A file that ``minilm encode -o`` wrote (.npy, .jsonl or .parquet), or a directory of Parquet files,
        also of another program: the vectors are lists of float16, float32 or float64, all of one length.
    embedding_column : str, optional
        The column of the vectors. By default the one that the manifest names, or else "embedding".
    ranges : array_like of float, shape (2, E), optional
        The smallest and the largest value of each component, with which vectors of int8 or uint8 were
        quantized. By default those of the manifest.

    Attributes
    ----------
    made_with : dict
        The options that the index was made with, from ``PATH.manifest.json``; empty without one. Those that
        a search needs (model, revision, sha256, files, normalize, pooling) have valid types.

    Raises
    ------
    CorpusError
        If the name does not tell the format, the manifest is damaged, or the format has no columns.
    """

    def __init__(
        self, path: Path, *, embedding_column: str | None = None, ranges: npt.ArrayLike | None = None
    ) -> None:
        self.path = path
        manifest = manifest_path(path)
        self.made_with: dict[str, Any] = {}
        self._expected_rows: int | None = None
        if manifest.exists():
            self.made_with, self._expected_rows = _read_options(manifest)
        self._format = vector_format(path)
        if embedding_column is not None and not self._format.has_columns:
            raise CorpusError(f"{path} has no columns: leave out the embedding column {embedding_column!r}")
        recorded = self.made_with.get("embedding_column", EMBEDDING)
        self._column = recorded if embedding_column is None else embedding_column
        ranges = self.made_with.get("ranges") if ranges is None else ranges
        self._ranges = np.empty((0, 0)) if ranges is None else as_floats(ranges)
        self._read_vectors = self._format.make_reader()

    def search(
        self, queries: npt.ArrayLike, k: int, *, rescore_multiplier: int | None = None
    ) -> list[list[IndexHit]]:
        """Return the ``k`` rows with the largest dot products per query, the largest first.

        Of vectors that are int8, uint8 or bits, ``rescore_multiplier`` times ``k`` are found by the stored
        numbers. Their dot products with the float32 queries then choose ``k`` and are the scores, as in
        :func:`minilm.quantization.semantic_search_faiss`.

        Parameters
        ----------
        queries : array_like of float, shape (q, E)
        k : int
        rescore_multiplier : int, optional
            For quantized vectors only; the default is 4.

        Returns
        -------
        list of q lists of IndexHit
            Of equal scores the earlier row comes first. Scores count as equal if they differ by no more
            than rounding may: 2**-20 of the product of the lengths in float32, 2**-15 in float16. Of rows
            with different lengths the shortest counts.

        Raises
        ------
        ValueError
            If the queries are not rows of finite numbers, or a number is not a positive whole number.
        CorpusError
            If the file cannot be read, or holds anything but rows of finite numbers as wide as the queries.
        """
        k = positive_int("k", k)
        multiplier = positive_int(
            "rescore_multiplier", 4 if rescore_multiplier is None else rescore_multiplier
        )
        rows = _as_queries(queries)
        # The products of all queries with a block might not fit in memory: some queries at a time.
        parts = [rows[start : start + _QUERIES] for start in range(0, len(rows), _QUERIES)]
        precision = self._precision(rows.shape[1])
        if precision == "float32":
            if rescore_multiplier is not None:
                raise ValueError(
                    "rescore_multiplier is for quantized vectors, and these are floats: leave it out"
                )
            return self._hits(self._nearest(parts, k, self._products))
        best = self._nearest(parts, k * multiplier, self._candidates(precision))
        return self._hits(self._rescored(parts, k, best, precision))

    def _precision(self, width: int) -> str:
        """Return how the vectors are quantized; raise a CorpusError if they do not fit such queries."""
        block = next(self._blocks(rows=1), None)
        recorded = self.made_with.get("dtype", "float32")
        if block is None:
            return "float32"
        found, stored = block.shape[1], block.dtype.name
        if recorded in PRECISIONS[1:]:  # JSON does not tell the type
            precision = str(recorded)
        elif stored not in ("int8", "uint8"):
            precision = "float32"
        else:
            is_bits = found == -(-width // 8)
            precision = {"int8": "binary", "uint8": "ubinary"}[stored] if is_bits else stored
        expected = -(-width // 8) if precision in ("binary", "ubinary") else width
        if found != expected:
            raise self._other_width(found, width)
        if precision in ("int8", "uint8") and self._ranges.shape != (2, width):
            reason = f"its vectors are {precision}, and no manifest has their ranges"
            remedy = f"keep its {manifest_path(self.path).name} beside it"
            remedy += f", or Index(path, ranges=...) of shape (2, {width})"
            raise CorpusError(f"{self.path}: {reason}: {remedy}")
        return precision

    def _other_width(self, found: int, expected: int) -> CorpusError:
        widths = f"{found} components, the queries' {expected}"
        return CorpusError(f"{self.path}: its vectors have {widths}: it was made with another model")

    def _nearest(
        self, parts: list[Float32Array], k: int, score: Callable[[Float32Array, AnyArray, int], Scores]
    ) -> list[tuple[Int64Array, FloatArray]]:
        """Return the rows and scores of the best ``k`` per query, for each part of the queries."""
        best: list[TopK] = []
        count = 0
        for block in self._blocks():  # (n, E)
            best = best or [TopK(len(part), k, self._tolerances(part, block)) for part in parts]
            for part, top in zip(parts, best, strict=True):
                for start, scores in score(part, block, count):
                    top.add(scores, first_column=count + start)  # (q, n)
            count += len(block)
        if self._expected_rows not in (None, count):
            raise CorpusError(f"{self.path} is incomplete: it has {count:,} rows of {self._expected_rows:,}")
        return [top.best() for top in best or [TopK(len(part), k) for part in parts]]

    def _tolerances(self, queries: Float32Array, block: AnyArray) -> FloatArray:
        if block.dtype.kind == "f" and block.shape[1] == queries.shape[1]:
            return tolerances(queries, block)
        return np.zeros(len(queries))

    def _products(self, queries: Float32Array, block: AnyArray, first_row: int) -> Scores:
        if block.shape[1] != queries.shape[1]:
            raise self._other_width(block.shape[1], queries.shape[1])
        for start, products in dot_products(queries, block):
            with np.errstate(all="ignore"):
                is_finite = bool(np.isfinite(products.sum())) or np.isfinite(products).all()
            if not is_finite:  # NaN has no order, and could hide a hit
                row = first_row + start + int(np.argmin(np.isfinite(products).all(axis=0)))
                raise CorpusError(f"{self.path}: row {row} holds a number that is not finite, or too large")
            yield start, products

    def _candidates(self, precision: str) -> Callable[[Float32Array, AnyArray, int], Scores]:
        """Return the scores of quantized vectors, which order them almost as the exact ones do."""
        if precision in ("int8", "uint8"):
            _, step = steps(self._ranges)  # what every row adds changes no order
            return lambda queries, block, _: dot_products(queries * step, self._stored(block, precision))

        def similarities(queries: Float32Array, block: AnyArray, _: int) -> Scores:
            bits = quantize_embeddings(queries, "ubinary")
            return bit_similarities(bits, raw_bits(self._stored(block, precision), precision))

        return similarities

    def _stored(self, block: AnyArray, precision: str) -> AnyArray:
        """Return quantized vectors in their type, also those that come from JSON."""
        kind = np.dtype("int8" if precision in ("int8", "binary") else "uint8")
        with np.errstate(all="ignore"):
            stored = block.astype(kind, copy=False)
        if not (stored == block).all():
            raise CorpusError(f"{self.path}: its vectors are not {kind}, as its manifest says")
        return stored

    def _rescored(
        self,
        parts: list[Float32Array],
        k: int,
        candidates: list[tuple[Int64Array, FloatArray]],
        precision: str,
    ) -> list[tuple[Int64Array, FloatArray]]:
        """Return the best ``k`` of the candidates by the products of the float queries with their vectors."""
        rows = np.unique(np.concatenate([columns.ravel() for columns, _ in candidates]))
        pieces, count = [], 0
        for block in self._blocks():
            here = rows[slice(*np.searchsorted(rows, [count, count + len(block)]))]
            pieces.append(raw_bits(self._stored(block[here - count], precision), precision))
            count += len(block)
        stored = np.concatenate(pieces)
        best = []
        for part, (columns, _) in zip(parts, candidates, strict=True):
            chosen = np.sort(columns, axis=1)  # (q, m): of equal scores the earlier row
            products = np.empty(chosen.shape, np.float64)
            for query, numbers, row in zip(part, chosen, products, strict=True):
                vectors = stored[np.searchsorted(rows, numbers)]
                np.vecdot(dequantized(vectors, precision, self._ranges, len(query)), query, out=row)
            top = TopK(len(part), k)
            top.add(products, first_column=0)
            places, scores = top.best()
            best.append((np.take_along_axis(chosen, places, axis=1), scores))
        return best

    def _blocks(self, rows: int | None = None) -> Iterator[AnyArray]:
        for path in parquet_files(self.path):
            with damage_named(path):
                yield from self._read_vectors(path, rows or BLOCK_ROWS, self._column)

    def _hits(self, best: list[tuple[Int64Array, FloatArray]]) -> list[list[IndexHit]]:
        columns = [row for top, _ in best for row in top.tolist()]  # of each query
        scores = [row for _, top in best for row in top.tolist()]
        rows = set(chain.from_iterable(columns))
        name = self.made_with.get("column")
        with damage_named(self.path):
            texts = (
                self._format.texts(self.path, rows, name if isinstance(name, str) else None) if rows else {}
            )
        return [
            [IndexHit(row, score, texts.get(row)) for row, score in zip(*hits, strict=True)]
            for hits in zip(columns, scores, strict=True)
        ]


def _as_queries(queries: npt.ArrayLike) -> Float32Array:
    array = np.asarray(queries)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        shape = f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"queries must be numbers of shape (q, E), one row per query, not {shape}")
    with np.errstate(all="ignore"):
        rows = array.astype(np.float32, copy=False)
    if not np.isfinite(rows).all():
        raise ValueError("queries must be finite: they hold NaN, infinity or a number too large for float32")
    return rows


def _read_options(manifest: Path) -> tuple[dict[str, Any], int | None]:
    """Return the options and the number of rows that a manifest records."""
    with damage_named(manifest):
        fields = json.loads(manifest.read_bytes())
        options, rows = fields["options"], fields.get("report", {}).get("rows")
        if rows is not None and not isinstance(rows, int):
            raise CorpusError(f"{manifest}: rows cannot be {rows!r}")
        kinds: dict[str, type | tuple[type, ...]] = {
            "model": str,
            "revision": (str, type(None)),
            "sha256": str,
            "files": dict,
            "normalize": bool,
            "pooling": list,
            "embedding_column": str,
            "dtype": str,
            "ranges": (list, type(None)),
        }
        for name, kind in kinds.items():
            if name in options and not isinstance(options[name], kind):
                raise CorpusError(f"{manifest}: {name} cannot be {options[name]!r}")
        unknown = [mode for mode in options.get("pooling", []) if mode not in POOLING]
        if unknown or options.get("pooling") == []:
            raise CorpusError(f"{manifest}: pooling cannot be {options['pooling']!r}")
        if options.get("ranges") is not None and not np.isfinite(as_floats(options["ranges"])).all():
            raise CorpusError(f"{manifest}: ranges must be finite numbers")
        return dict(options), rows
