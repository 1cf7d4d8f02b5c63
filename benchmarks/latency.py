"""How long one short query takes, one at a time, on 1 and on 2 threads.

    python -m benchmarks.latency [--rounds 20] [--quick]

Each system answers fifty different sentences once per round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness import begin, options, print_table, settle, short_texts, spread, write
from benchmarks.peers import OnnxRuntime, Peer, SentenceTransformers, check
from minilm import MiniLM

WARM_UP = 5  # queries before each series, because the other system had the caches


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__, threads=False, rounds=20))
    queries = short_texts()
    queries = queries[:: len(queries) // 50][:50]  # from all of the benchmark's sources
    results, rows = {}, []
    for threads in (1, 2):
        model = MiniLM(threads=threads)
        expected = np.stack([model.encode(query) for query in queries])
        peers: dict[str, Peer] = {
            "sentence-transformers": SentenceTransformers(model.checkpoint.directory, threads),
            "ONNX Runtime": OnnxRuntime(model.checkpoint.directory, threads),
        }
        systems: dict[str, Callable[[str], object]] = {"minilm": model.encode}
        for name, peer in peers.items():
            check(name, np.concatenate([peer.encode([query], 1) for query in queries]), expected)
            systems[name] = lambda query, peer=peer: peer.encode([query], 1)  # type: ignore[misc]

        # one list of milliseconds per round
        times: dict[str, list[list[float]]] = {name: [] for name in systems}
        for _ in range(arguments.rounds):
            for name, encode in systems.items():
                settle()
                for query in queries[:WARM_UP]:
                    encode(query)
                times[name].append([_milliseconds(encode, query) for query in queries])

        result = {}
        for name, by_round in times.items():
            together = [milliseconds for series in by_round for milliseconds in series]
            medians = spread(statistics.median(series) for series in by_round)
            result[name] = {
                "median_ms": statistics.median(together),
                "p95_ms": float(np.percentile(together, 95)),
                "median_ms_of_rounds": medians._asdict(),
            }
            ratio = result[name]["median_ms"] / result["minilm"]["median_ms"]  # type: ignore[operator]
            rows.append(
                [
                    str(threads),
                    name,
                    f"{result[name]['median_ms']:.2f}",
                    f"{medians.low:.2f}..{medians.high:.2f}",
                    f"{result[name]['p95_ms']:.2f}",
                    f"{ratio:.2f}",
                ]
            )
        results[f"{threads} threads"] = result

    print(f"{len(queries)} sentences, {arguments.rounds} rounds\n")
    print_table(
        ["threads", "system", "median, ms", "medians of the rounds", "95th percentile, ms", "x minilm"], rows
    )
    write("latency", arguments, results)


def _milliseconds(encode: Callable[[str], object], query: str) -> float:
    start = time.perf_counter()
    encode(query)
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
