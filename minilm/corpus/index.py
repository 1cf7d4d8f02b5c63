"""Exact search over the vectors that ``minilm encode`` wrote, a block at a time, without loading them all.

An index may come from someone else. Nothing in it is unpickled or run, and whatever is not rows of finite
numbers is refused with the file's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minilm.corpus.formats import EMBEDDING
from minilm.corpus.manifest import manifest_path, named
from minilm.corpus.rows import _pyarrow
from minilm.errors import CorpusError
from minilm.pooling import POOLING

Array = npt.NDArray[np.float32]
BLOCK_ROWS = 16_384  # 24 MiB of 384 float32: more does not make the product faster
_QUERIES = 256  # whose products with a block, 16 MiB, are held at a time


class Hit(NamedTuple):
    """A row of the index, from 0, and how well it fits; its text, where the index has texts."""

    row: int
    score: float
    text: str | None


class Index:
    """Vectors on disk.

    Parameters
    ----------
    path : Path
        As ``minilm encode -o`` wrote it: .npy, .jsonl or .parquet, or a directory of the last. What is in
        memory is a block of it.

    Attributes
    ----------
    made_with : dict
        The options that it was made with, from ``PATH.manifest.json``; empty without one. The kinds of
        those that a search needs (model, revision, sha256, files, normalize, pooling) have been checked.

    Raises
    ------
    CorpusError
        If the name says no format, or the manifest is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = manifest_path(path)
        self.made_with: dict[str, Any] = {}
        self._rows: int | None = None  # that there have to be
        if manifest.exists():
            self.made_with, self._rows = _manifest(manifest)
        kinds = {
            ".npy": _npy,
            ".jsonl": _json_lines,
            ".ndjson": _json_lines,
            ".parquet": _parquet,
            ".pq": _parquet,
        }
        self._kind = ".parquet" if path.is_dir() else path.suffix
        if self._kind not in kinds:
            raise CorpusError(f"an index ends in .parquet, .npy or .jsonl, not {path.name!r}")
        self._blocks = kinds[self._kind]

    def search(self, queries: Array, k: int) -> list[list[Hit]]:
        """The ``k`` rows with the largest dot products, for each query, the best first.

        Parameters
        ----------
        queries : ndarray of float32, shape (q, E)
        k : int

        Returns
        -------
        list of q lists of Hit
            Of equal scores the earlier row comes first.

        Raises
        ------
        CorpusError
            If the file cannot be read, or holds anything but rows of finite numbers as wide as the queries.
        """
        with named(self.path):
            return self._search(queries, k)

    def _search(self, queries: Array, k: int) -> list[list[Hit]]:
        # memory for the products of some queries with a block, however many queries there are
        parts = [queries[at : at + _QUERIES] for at in range(0, len(queries), _QUERIES)]
        best = [_Best(len(part), k) for part in parts]
        start = 0
        for block in self._blocks(self.path):  # (n, E)
            if block.shape[1] != queries.shape[1]:
                widths = f"{block.shape[1]} components, the queries' {queries.shape[1]}"
                raise CorpusError(f"{self.path}: its vectors have {widths}: it was made with another model")
            columns = block.T.astype(np.float32, copy=False)  # (E, n)
            for part, found in zip(parts, best, strict=True):
                with np.errstate(over="ignore", invalid="ignore"):
                    products = part @ columns  # (q, n)
                if not np.isfinite(products).all():  # no order among them, and a hit could be lost
                    row = start + int(np.argmin(np.isfinite(products).all(axis=0)))
                    raise CorpusError(
                        f"{self.path}: row {row} holds a number that is not finite, or too large"
                    )
                found.add(products, start)
            start += len(block)
        if self._rows not in (None, start):
            raise CorpusError(f"{self.path} is not whole: it has {start:,} rows of {self._rows:,}")
        pairs = [pair for found in best for pair in found.in_order()]
        texts = self._texts({row for rows, _ in pairs for row in rows})
        return [
            [Hit(row, score, texts.get(row)) for row, score in zip(rows, scores, strict=True)]
            for rows, scores in pairs
        ]

    def _texts(self, rows: set[int]) -> dict[int, str | None]:
        if not rows or self._kind == ".npy":
            return {}
        if self._kind in (".parquet", ".pq"):
            return _parquet_texts(self.path, rows)
        last = max(rows)
        with self.path.open("rb") as file:
            lines = enumerate(islice(file, last + 1))
            return {row: _text_of(json.loads(line)) for row, line in lines if row in rows}


class _Best:
    """The ``k`` best rows of each of some queries so far."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._rows = np.empty((queries, 0), np.int64)  # (q, up to k)
        self._scores = np.empty((queries, 0), np.float32)

    def add(self, products: Array, start: int) -> None:
        """Take the products with the rows from ``start`` on, (q, n), into account."""
        scores = np.concatenate([self._scores, products], axis=1)
        here = np.broadcast_to(np.arange(start, start + products.shape[1]), products.shape)
        rows = np.concatenate([self._rows, here], axis=1)
        if scores.shape[1] > self._k:
            best = np.argpartition(-scores, self._k - 1, axis=1)[:, : self._k]
            # a tie across the edge goes to the earlier row, whichever the partition took
            edge = np.take_along_axis(scores, best, 1).min(axis=1, keepdims=True)
            best = np.array(
                [_first_of(s, r, e[0], self._k) for s, r, e in zip(scores, rows, edge, strict=True)]
            )
            scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
        self._scores, self._rows = scores, rows

    def in_order(self) -> Iterator[tuple[list[int], list[float]]]:
        """Rows and scores of each query, the best first."""
        order = np.lexsort((self._rows, -self._scores), axis=1)
        rows, scores = (np.take_along_axis(x, order, 1).tolist() for x in (self._rows, self._scores))
        return zip(rows, scores, strict=True)


def _first_of(scores: Array, rows: npt.NDArray[np.int64], edge: float, k: int) -> npt.NDArray[np.intp]:
    """Places of the ``k`` best of a query: all above the edge, and the earliest of those on it."""
    above = np.flatnonzero(scores > edge)
    on_it = np.flatnonzero(scores == edge)
    on_it = on_it[np.argsort(rows[on_it], kind="stable")]
    return np.concatenate([above, on_it])[:k]


def _manifest(manifest: Path) -> tuple[dict[str, Any], int | None]:
    """What the manifest says of how the index was made, and of how many rows it has."""
    with named(manifest):
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


def _npy(path: Path) -> Iterator[Array]:
    vectors = np.lib.format.open_memmap(path, mode="r")  # unlike np.load it knows neither zip nor pickle
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise CorpusError(f"{path} holds {vectors.dtype} of shape {vectors.shape}, not rows of vectors")
    for start in range(0, len(vectors), BLOCK_ROWS):
        yield np.asarray(vectors[start : start + BLOCK_ROWS])


def _parquet_files(path: Path) -> list[Path]:
    """The file itself, or those of a directory in the order of their rows."""
    if not path.is_dir():
        return [path]
    if files := sorted(path.glob("*.parquet")):
        return files
    raise CorpusError(f"{path} has no Parquet files")


def _parquet(path: Path) -> Iterator[Array]:
    arrow, parquet = _pyarrow("Parquet")
    for part in _parquet_files(path):
        with named(part), parquet.ParquetFile(part, memory_map=True) as file:
            names = file.schema_arrow.names
            if EMBEDDING not in names:
                raise CorpusError(f"{part} has no column {EMBEDDING!r}, but {', '.join(names)}")
            kind = file.schema_arrow.field(EMBEDDING).type
            if not arrow.types.is_fixed_size_list(
                kind
            ):  # rows of another length would shift those after them
                raise CorpusError(f"{part}: column {EMBEDDING!r} is {kind}, not a list of a fixed length")
            for batch in file.iter_batches(BLOCK_ROWS, columns=[EMBEDDING]):
                column = batch.column(0)
                if column.null_count:
                    raise CorpusError(f"{part}: column {EMBEDDING!r} has rows without a vector")
                yield column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _parquet_texts(path: Path, rows: set[int]) -> dict[int, str | None]:
    """Of the first column of strings, which in what encode wrote is that of the texts."""
    arrow, parquet = _pyarrow("Parquet")
    types = arrow.types
    texts: dict[int, str | None] = {}
    start = 0
    for part in _parquet_files(path):
        with parquet.ParquetFile(part, memory_map=True) as file:
            strings = [
                f.name for f in file.schema_arrow if types.is_string(f.type) or types.is_large_string(f.type)
            ]
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                if strings and (here := [row for row in rows if start <= row < stop]):
                    column = file.read_row_group(group, columns=strings[:1]).column(0)
                    texts |= {row: column[row - start].as_py() for row in here}
                start = stop
    return texts


def _json_lines(path: Path) -> Iterator[Array]:
    start = 0
    with path.open("rb") as file:
        while lines := list(islice(file, BLOCK_ROWS)):
            vectors: list[Any] = []
            try:
                vectors.extend(json.loads(line)[EMBEDDING] for line in lines)
                with np.errstate(over="ignore"):
                    block = np.array(vectors, np.float32).reshape(len(lines), -1)
            except KeyError:
                raise CorpusError(f"{path}, line {start + len(vectors) + 1}: no {EMBEDDING!r}") from None
            except (ValueError, TypeError, OverflowError) as error:
                last = start + len(lines)
                where = f"lines {start + 1} to {last}"
                if len(vectors) < len(lines):
                    where = f"line {start + len(vectors) + 1}"
                raise CorpusError(f"{path}, {where}: no rows of vectors: {error}") from None
            start += len(lines)
            yield block


def _text_of(record: dict[str, Any]) -> str | None:
    """The first string, which in what encode wrote is the text."""
    return next((value for value in record.values() if isinstance(value, str)), None)
