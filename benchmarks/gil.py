"""How much of its time a worker holds the interpreter's lock, and how many cores one process can feed.

    python -m benchmarks.gil [--rounds 9] [--quick]

Python runs one thread at a time; numpy lets go of the lock while it computes. A worker encodes packs beside a
thread that only counts. What the counter loses is what the worker took of the lock:
share = 1 - its rate beside the worker / its rate beside one long matrix product after another, which hold no
lock and keep the other core as warm. 1 / share cores could work before they would wait for the lock more than
compute. It needs two cores.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from benchmarks.harness import (
    begin,
    long_texts,
    mixed_texts,
    options,
    print_table,
    short_texts,
    spread,
    write,
)
from minilm import MiniLM
from minilm.fast.blas import call_with_blas_threads

SECONDS = 0.5  # of counting
SQUARE = np.ones((2048, 2048), np.float32)
PRODUCT = np.empty_like(SQUARE)
SWITCH = 1e-5  # seconds after which a waiting thread gets the lock: a worker should not wait for the counter


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__, threads=False))
    model = MiniLM(threads=1)
    some = 2 if arguments.quick else 1
    kinds = {
        "short": short_texts()[: 512 // some],
        "long": long_texts(24 // some),
        "mixed": mixed_texts(256 // some, 8 // some),
        "one at a time": short_texts()[: 64 // some],
    }
    sys.setswitchinterval(SWITCH)
    results, rows = {}, []
    for kind, texts in kinds.items():
        work = one_by_one(model, texts) if kind == "one at a time" else together(model, texts)
        work()
        shares = spread(share(work) for _ in range(arguments.rounds))
        results[kind] = {"share": shares._asdict(), "cores": 1 / shares.median}
        shown = f"{shares.median:.1%} ({shares.low:.1%}..{shares.high:.1%})"
        rows.append([kind, shown, f"{1 / shares.median:.0f}"])
    print_table(["texts", "share of the lock", "cores one process can feed"], rows)
    write("gil", arguments, results)


def together(model: MiniLM, texts: list[str]) -> Callable[[], object]:
    """Encode texts in packs."""
    return lambda: model.encode(texts)


def one_by_one(model: MiniLM, texts: list[str]) -> Callable[[], object]:
    """Encode each text in a call of its own."""
    return lambda: [model.encode(text) for text in texts]


def share(work: Callable[[], object]) -> float:
    """The share of the lock that one thread takes while it works."""
    return max(1 - rate_beside(work) / rate_beside(product), 1e-4)


def product() -> None:
    """A long matrix product on one thread."""
    call_with_blas_threads(1, lambda: np.matmul(SQUARE, SQUARE, out=PRODUCT))


def rate_beside(work: Callable[[], object]) -> float:
    """Counts per second of a thread that only counts, while another one works again and again."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            work()

    worker = threading.Thread(target=repeat)
    worker.start()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for _ in range(1000):
            count += 1
    seconds = time.perf_counter() - start
    stop.set()
    worker.join()
    return count / seconds


if __name__ == "__main__":
    main()
