"""How throughput grows: with the number of texts, with their length, and with threads.

python -m benchmarks.scaling [--threads 2] [--rounds 5] [--max-texts 10000] [--quick]
"""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice

from benchmarks.harness import (
    Spread,
    alternate,
    begin,
    count_tokens,
    options,
    print_table,
    short_texts,
    spread,
    write,
)
from minilm import MiniLM
from minilm.fast.cores import available_cores
from tests.parity.texts import of_length

NUMBERS = (10, 100, 1_000, 10_000, 100_000)
LENGTHS = (8, 16, 32, 64, 128, 256, 512)
MIN_TOKENS = 20_000  # per timing; fewer tokens are encoded repeatedly, so that a timing is not too short


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__)
    parser.add_argument(
        "--max-texts", type=int, default=10_000, help="most texts in one call (default: 10000)"
    )
    arguments = begin(parser)
    if arguments.quick:
        arguments.max_texts = min(arguments.max_texts, 100)
    sentences = short_texts()
    model = MiniLM(threads=arguments.threads, max_seq_length=512)
    results = {}

    numbers = [number for number in NUMBERS if number <= arguments.max_texts]
    by_number = {number: list(islice(cycle(sentences), number)) for number in numbers}
    rates = measure({str(n): (model, texts) for n, texts in by_number.items()}, arguments.rounds)
    print(f"{arguments.threads} threads, {arguments.rounds} rounds: median (min..max)\n")
    print_table(
        ["texts in one call", "tokens per second"], [[f"{n:,}", rates[str(n)].show()] for n in numbers]
    )
    results["texts"] = {name: rate._asdict() for name, rate in rates.items()}

    tokens = 2_048 if arguments.quick else 32_768
    by_length = {length: [of_length(length)] * (tokens // length) for length in LENGTHS}
    rates = measure({str(n): (model, texts) for n, texts in by_length.items()}, arguments.rounds)
    print(f"\nTexts of one length, {tokens:,} tokens of them:\n")
    print_table(["tokens per text", "tokens per second"], [[str(n), rates[str(n)].show()] for n in LENGTHS])
    results["tokens_a_text"] = {name: rate._asdict() for name, rate in rates.items()}

    available = available_cores()
    cores = [*range(1, available + 1), 4 * available, 16 * available]  # and more threads than cores
    texts = sentences[: 100 if arguments.quick else None]
    rates = measure({str(n): (MiniLM(threads=n), texts) for n in cores}, arguments.rounds)
    print(f"\n{len(texts):,} sentences:\n")
    print_table(
        ["threads", "tokens per second", "x one thread"],
        [[str(n), rates[str(n)].show(), f"{rates[str(n)].median / rates['1'].median:.2f}"] for n in cores],
    )
    results["threads"] = {name: rate._asdict() for name, rate in rates.items()}
    write("scaling", arguments, results)


def measure(cases: dict[str, tuple[MiniLM, list[str]]], rounds: int) -> dict[str, Spread]:
    """Tokens per second of each case, in alternating rounds."""
    tokens = {name: sum(count_tokens(model, texts)) for name, (model, texts) in cases.items()}
    repeats = {name: -(-MIN_TOKENS // tokens[name]) for name in cases}

    def encode(name: str) -> None:
        model, texts = cases[name]
        for _ in range(repeats[name]):
            model.encode(texts)

    seconds = alternate({name: partial(encode, name) for name in cases}, rounds=rounds)
    return {name: spread(tokens[name] * repeats[name] / t for t in times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
