"""How near minilm comes to the speed of its matrix products alone, and where the rest of the time goes.

    python -m benchmarks.floor [--threads 2] [--rounds 5] [--quick]

The floor is the time for the FLOP of the encoder's products and of attention, at the rate of plain products.
That rate is measured on the same machine, in the same round: contiguous matrices of the encoder's shapes,
1,024 rows at a time, on the same number of threads, each with one BLAS thread. Fraction = floor / wall time
of the whole ``encode``, tokenizer included. It can be larger than a profile suggests, because the encoder's
products may be faster than plain ones, where OpenBLAS has kernels for small matrices.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar
from unittest import mock

import numpy as np

from benchmarks.harness import (
    alternate,
    begin,
    count_tokens,
    long_texts,
    options,
    print_table,
    short_texts,
    spread,
    write,
)
from minilm import MiniLM, ModelConfig
from minilm.fast import packed
from minilm.fast.blas import call_with_blas_threads

ROWS = 1024
SECONDS_PER_SHAPE = 0.1

# The functions of packed.py by the names that they have in the table.
STAGES = {
    "matrix products": "_multiply",
    "attention": "_attend",
    "GELU": "_double_gelu",
    "layer norm": "_layer_norm",
}

_Result = TypeVar("_Result")


def main() -> None:
    """Measure, print, write."""
    arguments = begin(options(__doc__))
    if arguments.quick:
        kinds = {"short": short_texts()[:128], "long": long_texts(8)}
    else:
        kinds = {"short": short_texts(), "long": long_texts()}
    results: dict[str, Any] = {}

    model = MiniLM(threads=arguments.threads)
    rows = []
    for kind, texts in kinds.items():
        work = sum(flop(model.config, count_tokens(model, texts)))
        rates: list[float] = []
        systems: dict[str, Callable[[], object]] = {
            "sgemm": lambda rates=rates: rates.append(sgemm_rate(model.config, arguments.threads)),  # type: ignore[misc]
            "minilm": lambda texts=texts: model.encode(texts),  # type: ignore[misc]
        }
        seconds = alternate(systems, rounds=arguments.rounds)["minilm"]
        rates = rates[-arguments.rounds :]  # without the warm-up's
        rate = spread(rates)
        fraction = spread(work / rate / t for rate, t in zip(rates, seconds, strict=True))
        rows.append(
            [kind, f"{rate.median / 1e9:.0f}", f"{work / rate.median:.3f}", f"{spread(seconds).median:.3f}"]
        )
        rows[-1].append(
            f"{100 * fraction.median:.0f}% ({100 * fraction.low:.0f}..{100 * fraction.high:.0f}%)"
        )
        results[kind] = {
            "flop": work,
            "sgemm_flop_per_second": rate._asdict(),
            "seconds": spread(seconds)._asdict(),
            "fraction_of_floor": fraction._asdict(),
        }
    print(f"{arguments.threads} threads, {arguments.rounds} rounds\n")
    print_table(["texts", "sgemm, GFLOP/s", "floor, s", "minilm, s", "floor / minilm"], rows)

    model = MiniLM(threads=1)
    rows = []
    for kind, texts in kinds.items():
        model.encode(texts)
        stages, wall = breakdown(model, texts)
        in_products, _ = flop(model.config, count_tokens(model, texts))
        for stage, seconds_in_it in stages.items():
            share = f"{100 * seconds_in_it / wall:.1f}%"
            rate_in_it = f"{in_products / seconds_in_it / 1e9:.0f}" if stage == "matrix products" else ""
            rows.append([kind, stage, share, rate_in_it])
        results[kind]["one_thread"] = {"seconds": wall, "stages": stages}
    print("\nWhere one thread's time goes:\n")
    print_table(["texts", "stage", "share of the time", "GFLOP/s"], rows)
    write("floor", arguments, results)


def flop(config: ModelConfig, lengths: Sequence[int]) -> tuple[float, float]:
    """Floating-point operations of the matrix products with weights, and of attention."""
    hidden, intermediate, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    per_token = layers * (4 * hidden**2 + 2 * hidden * intermediate) * 2
    attention = sum(4 * length * hidden * layers * length for length in lengths)
    return float(per_token * sum(lengths)), float(attention)


def sgemm_rate(config: ModelConfig, threads: int) -> float:
    """FLOP per second of plain products in a layer's four shapes, each weighted by its share of the FLOP."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    shapes = [(hidden, 3 * hidden), (hidden, hidden), (hidden, intermediate), (intermediate, hidden)]
    work = [2 * ROWS * inputs * outputs for inputs, outputs in shapes]
    seconds = [
        one / _rate_of_shape(inputs, outputs, threads)
        for one, (inputs, outputs) in zip(work, shapes, strict=True)
    ]
    return sum(work) / sum(seconds)


def _rate_of_shape(inputs: int, outputs: int, threads: int) -> float:
    """FLOP per second of (1024, inputs) @ (inputs, outputs), in all threads together."""
    together = threading.Barrier(threads)
    rates = [0.0] * threads

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        x = rng.standard_normal((ROWS, inputs), dtype=np.float32)
        weight = rng.standard_normal((inputs, outputs), dtype=np.float32)
        out = np.empty((ROWS, outputs), np.float32)
        np.matmul(x, weight, out=out)  # warm
        together.wait()
        products, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < SECONDS_PER_SHAPE:
            np.matmul(x, weight, out=out)
            products += 1
        rates[number] = products * 2 * ROWS * inputs * outputs / elapsed

    def work_together() -> None:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    call_with_blas_threads(1, work_together)
    return sum(rates)


def breakdown(model: MiniLM, texts: list[str]) -> tuple[dict[str, float], float]:
    """Seconds in each stage, and in all; the model must run on one thread."""
    stages = dict.fromkeys([*STAGES, "tokenizer"], 0.0)

    def timed(stage: str, function: Callable[..., _Result]) -> Callable[..., _Result]:
        def wrapper(*args: Any, **kwargs: Any) -> _Result:  # noqa: ANN401
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                stages[stage] += time.perf_counter() - start

        return wrapper

    with ExitStack() as patches:
        for stage, name in STAGES.items():
            wrapper = timed(stage, getattr(packed, name))
            patches.enter_context(mock.patch.object(packed, name, wrapper))
        wrapper = timed("tokenizer", model.pipeline.tokenize_window)
        patches.enter_context(mock.patch.object(model.pipeline, "tokenize_window", wrapper))
        start = time.perf_counter()
        model.encode(texts)
        wall = time.perf_counter() - start
    stages["embeddings, biases, residual sums, pooling, the rest"] = wall - sum(stages.values())
    return stages, wall


if __name__ == "__main__":
    main()
