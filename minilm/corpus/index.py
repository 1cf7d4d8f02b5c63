"""Exact search over the vectors that ``minilm encode`` wrote, block by block, without loading them all.

An index may come from anyone. Nothing in it is unpickled or executed. Whatever is not rows of finite numbers
is refused with the name of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minilm._arguments import positive_int
from minilm._arrays import Float32Array, TopK
from minilm.corpus.formats.parquet_index import parquet_files
from minilm.corpus.formats.registry import vector_format
from minilm.corpus.manifest import damage_named, manifest_path
from minilm.errors import CorpusError
from minilm.pooling import POOLING

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
        A file that ``minilm encode -o`` wrote (.npy, .jsonl or .parquet), or a directory of Parquet files.

    Attributes
    ----------
    made_with : dict
        The options that the index was made with, from ``PATH.manifest.json``; empty without one. Those that
        a search needs (model, revision, sha256, files, normalize, pooling) have valid types.

    Raises
    ------
    CorpusError
        If the name does not tell the format, or the manifest is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = manifest_path(path)
        self.made_with: dict[str, Any] = {}
        self._expected_rows: int | None = None
        if manifest.exists():
            self.made_with, self._expected_rows = _read_options(manifest)
        self._format = vector_format(path)

    def search(self, queries: npt.ArrayLike, k: int) -> list[list[IndexHit]]:
        """Return the ``k`` rows with the largest dot products per query, the largest first.

        Parameters
        ----------
        queries : array_like of float, shape (q, E)
        k : int

        Returns
        -------
        list of q lists of IndexHit
            Of equal scores the earlier row comes first.

        Raises
        ------
        ValueError
            If the queries are not rows of finite numbers, or ``k`` is not a positive whole number.
        CorpusError
            If the file cannot be read, or holds anything but rows of finite numbers as wide as the queries.
        """
        k = positive_int("k", k)
        rows = _as_queries(queries)
        # The products of all queries with a block might not fit in memory: some queries at a time.
        parts = [rows[start : start + _QUERIES] for start in range(0, len(rows), _QUERIES)]
        best = [TopK(len(part), k) for part in parts]
        count = 0
        for block in self._blocks():  # (n, E)
            if block.shape[1] != rows.shape[1]:
                widths = f"{block.shape[1]} components, the queries' {rows.shape[1]}"
                raise CorpusError(f"{self.path}: its vectors have {widths}: it was made with another model")
            columns = block.T  # (E, n)
            for part, top in zip(parts, best, strict=True):
                top.add(self._products(part, columns, first_row=count), first_column=count)  # (q, n)
            count += len(block)
        if self._expected_rows not in (None, count):
            raise CorpusError(f"{self.path} is incomplete: it has {count:,} rows of {self._expected_rows:,}")
        return self._hits(best)

    def _products(self, queries: Float32Array, columns: Float32Array, *, first_row: int) -> Float32Array:
        with np.errstate(all="ignore"):
            products = queries @ columns  # (q, n)
        if not np.isfinite(products).all():  # NaN has no order, and could hide a hit
            row = first_row + int(np.argmin(np.isfinite(products).all(axis=0)))
            raise CorpusError(f"{self.path}: row {row} holds a number that is not finite, or too large")
        return products

    def _blocks(self) -> Iterator[Float32Array]:
        for path in parquet_files(self.path):
            with damage_named(path):
                for block in self._format.vectors(path, BLOCK_ROWS):
                    with np.errstate(all="ignore"):
                        vectors = block.astype(np.float32, copy=False)
                    yield vectors

    def _hits(self, best: list[TopK]) -> list[list[IndexHit]]:
        columns = [row for top in best for row in top.columns.tolist()]  # of each query
        scores = [row for top in best for row in top.scores.tolist()]
        rows = set(chain.from_iterable(columns))
        with damage_named(self.path):
            texts = self._format.texts(self.path, rows) if rows else {}
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
        }
        for name, kind in kinds.items():
            if name in options and not isinstance(options[name], kind):
                raise CorpusError(f"{manifest}: {name} cannot be {options[name]!r}")
        unknown = [mode for mode in options.get("pooling", []) if mode not in POOLING]
        if unknown or options.get("pooling") == []:
            raise CorpusError(f"{manifest}: pooling cannot be {options['pooling']!r}")
        return dict(options), rows
