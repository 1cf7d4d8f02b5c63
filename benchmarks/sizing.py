"""Estimates for a large corpus: core-hours, bytes and money, computed from the results in this folder.

    python -m benchmarks.sizing [--core-hour 0.10] [--terabyte-month 23] [--gigabytes-per-second 10]

Nothing is measured here. ``scaling`` measures how many tokens per second a core encodes at each length, and
``floor`` how long the tokenizer takes. docs/sizing.md has the output of this script with its default prices.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.harness import RESULTS, print_table
from minilm.corpus.ray.blocks import BLOCK_BYTES

CORPORA = {"10 million": 10**7, "1 billion": 10**9, "100 billion": 10**11}
LENGTHS = {16: "a sentence", 64: "a paragraph", 256: "a page, the cut"}  # tokens per text
WIDTH = 384
BYTES = {"float32": 4 * WIDTH, "float16": 2 * WIDTH, "int8": WIDTH, "binary": WIDTH // 8}  # a vector
BYTES_PER_TOKEN = 3.8  # of the STS Benchmark's sentences, [CLS] and [SEP] counted as tokens
WEIGHTS = 4 * 6 * (4 * WIDTH**2 + 2 * WIDTH * 1536)  # bytes that each pack of tokens reads
PACK_TOKENS = 1024
LINK = 1.25e9  # bytes per second of 10 Gbit/s
SOCKET = 100e9  # bytes per second from memory; servers of recent years have at least this


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--core-hour", type=float, default=0.10, help="price of a core for an hour (0.10)")
    parser.add_argument(
        "--terabyte-month", type=float, default=23.0, help="price of storing a terabyte for a month (23)"
    )
    parser.add_argument(
        "--gigabytes-per-second", type=float, default=10.0, help="speed at which a core reads vectors (10)"
    )
    arguments = parser.parse_args()
    rates = tokens_per_second()
    hours = {
        length: [texts * length / rate / 3600 for texts in CORPORA.values()] for length, rate in rates.items()
    }

    print_table(
        ["tokens per text", "tokens per second and core", "texts per second and core"]
        + [f"core-hours for {name}" for name in CORPORA],
        [
            [f"{n} ({LENGTHS[n]})", f"{rate:,.0f}", f"{rate / n:,.0f}", *(f"{h:,.0f}" for h in hours[n])]
            for n, rate in rates.items()
        ],
    )
    print()
    print_table(
        ["money", *CORPORA],
        [
            [f"to encode texts of {n} tokens", *(f"${h * arguments.core_hour:,.0f}" for h in hours[n])]
            for n in rates
        ]
        + [
            [
                f"to store their vectors in {kind} for a month",
                *(f"${texts * size / 1e12 * arguments.terabyte_month:,.2f}" for texts in CORPORA.values()),
            ]
            for kind, size in BYTES.items()
        ],
    )
    print()
    print_table(
        ["bytes", *CORPORA],
        [
            [f"vectors in {kind}", *(in_bytes(n * size) for n in CORPORA.values())]
            for kind, size in BYTES.items()
        ]
        + [
            [f"text of {n} tokens", *(in_bytes(texts * n * BYTES_PER_TOKEN) for texts in CORPORA.values())]
            for n in LENGTHS
        ],
    )
    print()
    print_table(
        ["while one core encodes texts of", *(f"{n} tokens" for n in rates)],
        [
            ["it reads text, per second", *(in_bytes(rate * BYTES_PER_TOKEN) for rate in rates.values())],
            [
                "it writes float32 vectors",
                *(in_bytes(rate / n * BYTES["float32"]) for n, rate in rates.items()),
            ],
            ["it reads weights", *(in_bytes(rate / PACK_TOKENS * WEIGHTS) for rate in rates.values())],
        ],
    )
    print()
    block_texts = {n: BLOCK_BYTES / (n * BYTES_PER_TOKEN) for n in rates}
    print_table(
        ["with texts of", *(f"{n} tokens" for n in rates)],
        [
            [
                f"one core encodes {BLOCK_BYTES >> 20} MiB, a block of --engine ray, in",
                *(in_seconds(block_texts[n] * n / rate) for n, rate in rates.items()),
            ],
            [
                "the file of its float32 vectors has",
                *(in_bytes(texts * BYTES["float32"]) for texts in block_texts.values()),
            ],
            [
                "storing float32 vectors costs as much as encoding after",
                *(f"{months(n / rate, arguments):,.1f} months" for n, rate in rates.items()),
            ],
        ],
    )
    print()
    rate = rates[16]
    bounds = {
        "one thread of the tokenizer": cores_a_tokenizer_feeds(),
        "a socket's memory, for the weights (100 GB/s)": SOCKET / (rate / PACK_TOKENS * WEIGHTS),
        "a link to the object store (10 Gbit/s)": LINK / (rate * (BYTES_PER_TOKEN + BYTES["float32"] / 16)),
    }
    print_table(
        ["bottleneck, with texts of 16 tokens", "cores that reach it"],
        [[name, f"{cores:,.0f}"] for name, cores in bounds.items()],
    )
    print()
    second = arguments.gigabytes_per_second * 1e9
    print_table(
        [f"to read all vectors once, at {arguments.gigabytes_per_second:g} GB/s", *CORPORA],
        [
            [f"in {kind}", *(in_seconds(texts * size / second) for texts in CORPORA.values())]
            for kind, size in BYTES.items()
        ],
    )


def months(seconds: float, arguments: argparse.Namespace) -> float:
    """Months after which storing a vector costs as much as ``seconds`` of a core."""
    month = BYTES["float32"] / 1e12 * arguments.terabyte_month
    return float(seconds / 3600 * arguments.core_hour / month)


def tokens_per_second() -> dict[int, float]:
    """Tokens per second and core at each length, all cores at work."""
    scaling = read("scaling")
    machine, blas = scaling["machine"], scaling["blas"]
    print(
        f"Measured on: {machine['cpu']}, {scaling['options']['threads']} cores, {blas['kernel']} kernels.\n"
    )
    by_length = scaling["results"]["tokens_a_text"]
    return {n: by_length[str(n)]["median"] / scaling["options"]["threads"] for n in LENGTHS}


def cores_a_tokenizer_feeds() -> float:
    """Cores that encode short texts as fast as one thread of the tokenizer hands them over."""
    one_thread = read("floor")["results"]["short"]["one_thread"]
    return float(
        (one_thread["seconds"] - one_thread["stages"]["tokenizer"]) / one_thread["stages"]["tokenizer"]
    )


def read(name: str) -> dict[str, Any]:
    """The results of another script."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text("utf-8")))


def in_seconds(seconds: float) -> str:
    """A time in seconds, or in hours if it is at least one hour."""
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds:,.3g} s"


def in_bytes(size: float) -> str:
    """A size in decimal units, as for disks and prices."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:,.3g} {unit}" if size < 1000 * factor else f"{size / factor:,.0f} {unit}"
    return f"{size:,.0f} B"


if __name__ == "__main__":
    main()
