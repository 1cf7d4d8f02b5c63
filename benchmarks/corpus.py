"""The cost of minilm encode from file to file, per stage, compared with encoding alone.

    python -m benchmarks.corpus [--rows 200000] [--rounds 2] [--quick]

The rows are synthetic: they have the words of the STS Benchmark's sentences, and their lengths. They are read
from JSON Lines and written to Parquet. The vectors must equal those of ``MiniLM.encode``.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.harness import begin, options, print_table, settle, short_texts, spread, write
from minilm import MiniLM
from minilm.corpus.formats.parquet_writer import ParquetWriter
from minilm.corpus.formats.row import Row
from minilm.corpus.job import encode_corpus
from minilm.corpus.rows import Corpus, CorpusReader
from minilm.fast.engine import Engine
from minilm.tokenizer import Tokenizer

STAGES = ("read", "tokenize", "encode", "write")


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, rounds=2)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the corpus (default: 200000)")
    arguments = begin(parser)
    if arguments.quick:
        arguments.rows = min(arguments.rows, 5_000)
    model = MiniLM(threads=arguments.threads)
    model.encode(short_texts()[:500])  # warm up
    bare: list[float] = []
    job: list[float] = []
    by_stage: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "everything else")}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "corpus.jsonl"
        texts = synthetic_texts(arguments.rows)
        write_rows(source, texts)
        for number in range(arguments.rounds):
            # the order alternates, so that neither always comes second
            for name in ("bare", "job")[:: 1 if number % 2 == 0 else -1]:
                settle()
                start = time.perf_counter()
                if name == "bare":
                    expected = model.encode(texts)
                    bare.append(time.perf_counter() - start)
                else:
                    output = Path(folder) / f"{number}.parquet"
                    seconds = dict.fromkeys(STAGES, 0.0)
                    with timed(seconds):
                        report = encode_corpus(model, Corpus([str(source)]), output)
                    job.append(time.perf_counter() - start)
                    for stage in STAGES:
                        by_stage[stage].append(seconds[stage])
                    by_stage["everything else"].append(job[-1] - sum(seconds.values()))
        check(output, expected)

    overhead = spread(j / b - 1 for j, b in zip(job, bare, strict=True))
    print(
        f"{arguments.rows:,} rows, {report.tokens:,} tokens, {arguments.threads} threads: median (min..max)\n"
    )
    whole = spread(job)
    rows = [
        [stage, spread(s).show(2), f"{spread(s).median / whole.median:.1%}"] for stage, s in by_stage.items()
    ]
    rows.append(["from file to file", whole.show(2), "100%"])
    rows.append(["bare MiniLM.encode", spread(bare).show(2), f"{spread(bare).median / whole.median:.1%}"])
    print_table(["stage", "seconds", "share"], rows)
    rates = [arguments.rows / spread(seconds).median for seconds in (job, bare)]
    print(
        f"\n{rates[0]:,.0f} rows per second from file to file, {rates[1]:,.0f} by bare encode: "
        f"{overhead.median:.1%} more time ({overhead.low:.1%}..{overhead.high:.1%})"
    )
    results = {
        "rows": arguments.rows,
        "tokens": report.tokens,
        "bare_seconds": spread(bare)._asdict(),
        "job_seconds": whole._asdict(),
        "stage_seconds": {stage: spread(s)._asdict() for stage, s in by_stage.items()},
        "overhead": overhead._asdict(),
    }
    write("corpus", arguments, results)


def synthetic_texts(rows: int) -> list[str]:
    """Return texts with the words and the lengths of the STS Benchmark's sentences; the same each time."""
    sentences = [sentence.split() for sentence in short_texts()]
    words = [word for sentence in sentences for word in sentence]
    generator = random.Random(0)
    return [" ".join(generator.choices(words, k=len(generator.choice(sentences)))) for _ in range(rows)]


def write_rows(path: Path, texts: Iterable[str]) -> None:
    """Write JSON Lines with a number and a text."""
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": number, "text": text}) + "\n")


def _timed_rows(reader: CorpusReader, seconds: dict[str, float]) -> Iterator[Row]:
    rows = _rows_of(reader)
    while True:
        start = time.perf_counter()
        row = next(rows, None)
        seconds["read"] += time.perf_counter() - start
        if row is None:
            return
        yield row


_rows_of = CorpusReader.__iter__


@contextmanager
def timed(seconds: dict[str, float]) -> Iterator[None]:
    """Add up the seconds of each stage."""
    stages: list[tuple[type, str, str]] = [
        (Tokenizer, "__call__", "tokenize"),
        (Engine, "run", "encode"),
        (ParquetWriter, "write", "write"),
        (ParquetWriter, "join", "write"),
    ]
    with ExitStack() as patches:
        patches.enter_context(
            patch.object(CorpusReader, "__iter__", lambda reader: _timed_rows(reader, seconds))
        )
        for owner, name, stage in stages:
            patches.enter_context(patch.object(owner, name, _timed(getattr(owner, name), seconds, stage)))
        yield


def _timed(function: Callable[..., Any], seconds: dict[str, float], stage: str) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[stage] += time.perf_counter() - start

    return call


def check(output: Path, expected: np.ndarray) -> None:
    """Compare the output with bare encoding; the packs differ, and with them the last digits."""
    from pyarrow import parquet

    column = parquet.read_table(output, columns=["embedding"]).column(0).combine_chunks()
    written = column.flatten().to_numpy().reshape(expected.shape)
    worst = float(np.abs(written - expected).max())
    if worst > 3e-7:
        sys.exit(f"the vectors in {output.name} differ from MiniLM.encode's by {worst:.1e}")


if __name__ == "__main__":
    main()
