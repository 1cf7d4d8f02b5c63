"""How many texts per second, beside the peers: short, long, and both mixed.

    python -m benchmarks.throughput [--threads 2] [--rounds 5] [--quick]

minilm runs at its default batch size, sentence-transformers and ONNX Runtime at the best of four, found for
each kind of text before the rounds, fastembed's pipeline at fastembed's default of 256.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.harness import (
    alternate,
    begin,
    count_tokens,
    long_texts,
    mixed_texts,
    options,
    print_table,
    short_texts,
    spread,
    write,
)
from benchmarks.peers import (
    FastembedPipeline,
    OnnxRuntime,
    Peer,
    SentenceTransformers,
    best_batch_size,
    check,
)
from minilm import MiniLM

BATCH_SIZES = {"short": (16, 32, 64, 128), "long": (4, 8, 16, 32), "mixed": (16, 32, 64, 128)}


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__))
    model = MiniLM(threads=arguments.threads)
    directory = model.checkpoint.directory
    tuned: dict[str, Peer] = {
        "sentence-transformers": SentenceTransformers(directory, arguments.threads),
        "ONNX Runtime": OnnxRuntime(directory, arguments.threads),
    }
    fastembed = FastembedPipeline(directory, arguments.threads)
    if arguments.quick:
        kinds = {"short": short_texts()[:128], "long": long_texts(8), "mixed": mixed_texts(64, 4)}
    else:
        kinds = {"short": short_texts(), "long": long_texts(), "mixed": mixed_texts()}

    results, rows = {}, []
    for kind, texts in kinds.items():
        expected = model.encode(texts)
        tokens = count_tokens(model, texts)
        systems: dict[str, Callable[[], object]] = {"minilm": partial(model.encode, texts)}
        batch_sizes = {"minilm": 32, "fastembed's pipeline": 256}
        for name, peer in tuned.items():
            check(name, peer.encode(texts, BATCH_SIZES[kind][0]), expected)

            def seconds(batch_size: int, peer: Peer = peer, texts: list[str] = texts) -> float:
                start = time.perf_counter()
                peer.encode(texts, batch_size)
                return time.perf_counter() - start

            batch_sizes[name] = best_batch_size(seconds, BATCH_SIZES[kind])
            systems[name] = partial(peer.encode, texts, batch_sizes[name])
        check("fastembed's pipeline", fastembed.encode(texts), expected)
        systems["fastembed's pipeline"] = partial(fastembed.encode, texts)

        rates = {
            name: spread(len(texts) / t for t in times)
            for name, times in alternate(systems, rounds=arguments.rounds).items()
        }
        for name, rate in rates.items():
            ratio = rates["minilm"].median / rate.median
            rows.append([kind, name, str(batch_sizes[name]), rate.show(1), f"{ratio:.2f}"])
        results[kind] = {
            "texts": len(texts),
            "mean_tokens": float(np.mean(tokens)),
            "cut_at_256": sum(count == 256 for count in tokens),
            "systems": {
                name: {"texts_per_second": rate._asdict(), "batch_size": batch_sizes[name]}
                for name, rate in rates.items()
            },
        }

    for kind, result in results.items():
        print(
            f"- {kind}: {result['texts']} texts, {result['mean_tokens']:.1f} tokens on average, "
            f"{result['cut_at_256']} of 256 tokens (the cut)"
        )
    print(f"\n{arguments.threads} threads, {arguments.rounds} rounds: median (min..max)\n")
    print_table(["texts", "system", "batch size", "texts per second", "speed of minilm / its speed"], rows)
    write("throughput", arguments, results)


if __name__ == "__main__":
    main()
