"""The time of an exact search, beside plain numpy and faiss.

    python -m benchmarks.search [--rows 1000000] [--rounds 5] [--quick]

The vectors are random, of 384 float32 components and length 1. numpy multiplies an array in memory and takes
the best by argpartition; faiss has an IndexFlatIP in memory. minilm reads a file, which the system has in its
page cache. All use all cores. Every system must find the same rows.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import alternate, begin, options, print_table, spread, write
from minilm._arrays import Float32Array, Int64Array
from minilm.corpus.index import Index
from minilm.pooling import normalize
from minilm.util import cos_sim, dot_score, semantic_search

WIDTH, K = 384, 10
BASELINE = "numpy, in memory"
Search = Callable[[Float32Array], object]


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the index (default: 1000000)")
    arguments = begin(parser)
    if arguments.quick:
        arguments.rows = min(arguments.rows, 20_000)
    results: dict[str, dict[str, dict[str, float]]] = {}
    table = []
    with tempfile.TemporaryDirectory() as folder:
        vectors = random_vectors(arguments.rows)
        systems = searches(Path(folder), vectors)
        for count in (1, 256):
            queries = normalize(vectors[:count] + random_vectors(count, seed=1))
            check(systems, queries)
            calls = {name: partial(search, queries) for name, search in systems.items()}
            seconds = alternate(calls, rounds=arguments.rounds)
            base = spread(seconds[BASELINE]).median
            results[str(count)] = {
                name: {**spread(times)._asdict(), "to_numpy": spread(times).median / base}
                for name, times in seconds.items()
            }
            for name, times in seconds.items():
                milliseconds = spread(1000 * second for second in times)
                table.append(
                    [str(count), name, milliseconds.show(), f"{milliseconds.median / base / 1000:.2f}"]
                )
    print(f"{arguments.rows:,} vectors: median (min..max)\n")
    print_table(["queries", "system", "milliseconds", "of numpy's time"], table)
    write("search", arguments, results)


def random_vectors(rows: int, seed: int = 0) -> Float32Array:
    """Return vectors of length 1, the same each time."""
    generator = np.random.default_rng(seed)
    vectors = np.empty((rows, WIDTH), np.float32)
    for start in range(0, rows, 50_000):
        block = vectors[start : start + 50_000]
        block[:] = normalize(generator.standard_normal(block.shape, np.float32))
    return vectors


def searches(folder: Path, vectors: Float32Array) -> dict[str, Search]:
    """Return each system's search."""
    np.save(folder / "index.npy", vectors)
    index, mapped = Index(folder / "index.npy"), np.load(folder / "index.npy", mmap_mode="r")
    systems: dict[str, Search] = {
        BASELINE: partial(search_numpy, vectors),
        "Index, .npy": partial(index.search, k=K),
        "Index, .npy, opened for each search": lambda queries: Index(folder / "index.npy").search(queries, K),
        "semantic_search, dot_score": lambda queries: semantic_search(
            queries, mapped, top_k=K, score_function=dot_score
        ),
        "semantic_search, cos_sim": lambda queries: semantic_search(
            queries, mapped, top_k=K, score_function=cos_sim
        ),
    }
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        print("pyarrow is not installed", file=sys.stderr)
    else:
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH)
        path = folder / "index.parquet"
        parquet.write_table(
            pa.table({"embedding": column}), path, 32_768, use_dictionary=False, compression="none"
        )
        systems["Index, .parquet"] = partial(Index(path).search, k=K)
    try:
        import faiss
    except ImportError:
        print("faiss is not installed", file=sys.stderr)
    else:
        flat = faiss.IndexFlatIP(WIDTH)
        flat.add(vectors)
        systems["faiss, IndexFlatIP in memory"] = partial(flat.search, k=K)
    return systems


def search_numpy(vectors: Float32Array, queries: Float32Array) -> tuple[Float32Array, Int64Array]:
    """Return the scores and the rows of the best."""
    scores = (vectors @ queries[0])[None] if len(queries) == 1 else queries @ vectors.T  # (q, n)
    rows = np.argpartition(scores, -K, axis=1)[:, -K:]
    best = np.take_along_axis(scores, rows, axis=1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(rows, order, axis=1)


def check(systems: dict[str, Search], queries: Float32Array) -> None:
    """Stop if a system finds other scores than numpy."""
    expected: np.ndarray | None = None
    for name, search in systems.items():
        found = np.array(scores_of(search(queries)))
        expected = found if expected is None else expected
        if np.abs(found - expected).max() > 1e-6:
            sys.exit(f"{name} finds other rows than {BASELINE}")


def scores_of(result: object) -> object:
    """Return the scores (q, k) of what a system returns."""
    if isinstance(result, tuple):
        return result[0]
    assert isinstance(result, list)
    return [[hit["score"] if isinstance(hit, dict) else hit.score for hit in hits] for hits in result]


if __name__ == "__main__":
    main()
