"""How much of its time a worker holds the interpreter's lock, and how many cores one process can feed.

    python -m benchmarks.gil [--rounds 9] [--quick]

Python runs one thread at a time; numpy lets go of the lock while it computes. A worker encodes packs beside a
thread that only counts. What the counter loses is what the worker took of the lock:
share = 1 - its rate beside the worker / its rate beside one long matrix product after another, which hold no
lock and keep the other core as warm. It needs two cores, and it is noisy.

The second figure has less noise: the CPU time of everything that holds the lock. numpy lets go of it in a
step on many numbers. So the steps are timed on a network 12 numbers wide, with one text of two tokens in
place of each group: what remains is Python and numpy's calls. Cutting the texts into packs and pooling count
in full. That time, divided by the CPU time of the real work, is the share on paper, and 1 / share the cores
that could work before they would wait for the lock more than compute.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

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
from minilm._arrays import AnyArray, Float32Array
from minilm.fast.blas import call_with_blas_threads
from minilm.fast.engine import TOKENS_PER_TEXT, make_packs
from minilm.fast.packed import Group, Workspace, encode_pack
from minilm.fast.parameters import pack_parameters
from tests.checkpoints import random_parameters

SECONDS = 0.5  # of counting
SQUARE = np.ones((2048, 2048), np.float32)
PRODUCT = np.empty_like(SQUARE)
PACK_TOKENS = 32 * TOKENS_PER_TEXT  # of encode by default
REPEATS = 5  # of a measurement of CPU time, of which the smallest counts: other programs only add to it
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
        on_paper = share_on_paper(model, texts, is_alone=kind == "one at a time")
        results[kind] = {"share": shares._asdict(), "on_paper": on_paper, "cores": 1 / on_paper}
        shown = f"{shares.median:.1%} ({shares.low:.1%}..{shares.high:.1%})"
        rows.append([kind, shown, f"{on_paper:.2%}", f"{1 / on_paper:.0f}"])
    print_table(["texts", "share of the lock", "on paper", "cores one process can feed"], rows)
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


def share_on_paper(model: MiniLM, texts: list[str], *, is_alone: bool) -> float:
    """The share of a worker's CPU time in which it cannot do without the lock, from above."""
    token_ids = [list(row) for row in model.pipeline.tokenize_window(texts).input_ids]
    calls = [[ids] for ids in token_ids] if is_alone else [token_ids]
    engine, embed = model.pipeline.engine, model.head.embedder(normalize_last=True)
    pooling = 0.0

    def finish(hidden_states: Float32Array) -> AnyArray:
        nonlocal pooling
        start = time.thread_time()
        embeddings = embed(hidden_states)
        pooling += time.thread_time() - start
        return embeddings

    def work() -> None:
        for ids in calls:
            engine.run(ids, finish, pack_tokens=PACK_TOKENS)

    whole = cpu_seconds(work)
    held = pooling / REPEATS

    def cut() -> None:
        for ids in calls:
            make_packs(ids, pack_tokens=PACK_TOKENS, workers=1)

    held += cpu_seconds(cut)
    config = replace(model.config, hidden_size=model.config.num_attention_heads, intermediate_size=48)
    parameters = pack_parameters(random_parameters(config, 0, np.float32), config)
    packs = [pack for ids in calls for pack in make_packs(ids, pack_tokens=PACK_TOKENS, workers=1)]
    groups = [[Group(2 * i, 1, 2) for i in range(len(pack.groups))] for pack in packs]
    workspace = Workspace(2 * max(map(len, groups)), parameters)

    def step() -> None:
        for some in groups:
            encode_pack(np.zeros(2 * len(some), np.intp), some, parameters, workspace)

    return (held + cpu_seconds(step)) / whole


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of this thread that some work takes."""
    seconds = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        seconds.append(time.thread_time() - start)
    return min(seconds)


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
