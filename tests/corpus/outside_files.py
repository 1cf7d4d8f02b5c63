"""Run ``minilm encode`` over other people's files, and compare its output with what others read.

    cd FOLDER
    git clone https://github.com/apache/parquet-testing
    git clone https://github.com/apache/arrow-testing
    git clone https://github.com/frictionlessdata/frictionless-py
    git clone https://github.com/max-mapper/csv-spectrum
    git clone https://github.com/nst/JSONTestSuite
    python -m tests.corpus.outside_files FOLDER [--write RESULTS.md] [--only PATTERN]

The others are pyarrow, pandas and the standard library's csv and json. Each command must end in one of two
ways. Its output equals the input in every value and type, or it is refused with one line that names the file
or column. Anything else is WRONG, and the exit code is then 1. The texts are not really encoded. Nothing of
those repositories is part of this one.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from tests.corpus import outside_cases, value_cases
from tests.corpus.value_cases import ROWS_OF_A_SHARD, Case
from tests.corpus.value_matrix import readers_difference, table_difference

EQUAL, REFUSED, WRONG = "equal", "refused by name", "WRONG"
SECONDS = 200.0  # after which a command hangs
SUFFIXES = (
    ".parquet",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".ndjson",
    ".gz",
    ".bz2",
    ".xz",
    ".zip",
    ".txt",
    ".md",
)
REPOSITORIES = ("parquet-testing", "arrow-testing", "frictionless", "csv-spectrum", "JSONTestSuite")


class Ended(NamedTuple):
    """How a command ended: by its exit code, or without one."""

    code: int | None
    message: str


class Worker:
    """A process that runs one command after the other, and is replaced when it crashes or hangs."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, arguments: list[str]) -> Ended:
        """Run ``minilm`` with these arguments."""
        try:
            self._connection.send(arguments)
            if self._connection.poll(SECONDS):
                return Ended(*self._connection.recv())
            problem = f"did not end in {SECONDS:.0f} seconds"
        except (EOFError, OSError):
            self._process.join()
            problem = f"crashed ({self._process.exitcode})"
        self._process.kill()
        self._start()
        return Ended(None, problem)


def serve(connection: Connection) -> None:
    """Run the commands that come, with the stand-in of the encoder, and send how they ended."""
    from minilm import MiniLM, _pipeline
    from minilm.cli import encode
    from minilm.cli.main import main
    from minilm.hub import manifest
    from tests.corpus.referee import WIDTH, hashed_run

    replaced: Any = MiniLM
    replaced.get_embedding_dimension = lambda self, pooling=None: WIDTH  # noqa: ARG005
    _pipeline.Pipeline.run = hashed_run  # type: ignore[method-assign,assignment]
    _pipeline.WINDOW_TEXTS = ROWS_OF_A_SHARD
    # The weights are the same for all commands, and no power fails.
    manifest.sha256_of = functools.cache(manifest.sha256_of)
    replaced = os
    replaced.fsync = lambda descriptor: None  # noqa: ARG005
    model = MiniLM()
    replaced = encode
    replaced.load_model = lambda options: model  # noqa: ARG005
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    while True:
        arguments = connection.recv()
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 2)
            code = main(arguments)
            sys.stderr.flush()
            file.seek(0)
            connection.send((code, file.read().decode("utf-8", "replace")))


def judge(case: Case, worker: Worker) -> tuple[str, str]:
    """Run a case, and return its outcome and what is to be said of it."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / f"out{case.output}"
        ended = worker.run(["encode", *case.arguments, "-o", str(output)])
        problem = case.problem(ended.code, ended.message, output)
    message = " // ".join(ended.message.splitlines())[-300:]
    if problem:
        return WRONG, f"{problem}: {message}" if message else problem
    return (EQUAL, "") if ended.code == 0 else (REFUSED, message)


def groups(folder: Path, work: Path, only: str) -> Iterator[tuple[str, Case]]:
    """All cases, each with the group of its row in the table."""
    for name in REPOSITORIES:
        for repository in sorted(path for path in folder.iterdir() if name in path.name):
            for path in sorted(path for path in repository.rglob("*") if path.is_file()):
                if fnmatch.fnmatch(str(path), only) and ".git" not in path.parts:
                    is_suite = name == "JSONTestSuite" and path.parent.name == "test_parsing"
                    cases = (
                        outside_cases.suite_cases(path, work) if is_suite else outside_cases.file_cases(path)
                    )
                    kind = path.suffix if path.suffix in SUFFIXES else "others"
                    yield from ((f"{name} {kind}", case) for case in cases)
    matrices: dict[str, Callable[[Path], Iterator[Case]]] = {
        "type pairs": value_cases.type_pairs,
        "json pairs": partial(value_cases.json_pairs, check_table=as_all_read),
        "mixed inputs": value_cases.mixed_inputs,
    }
    for title, make in matrices.items():
        if fnmatch.fnmatch(title, only):
            yield from ((title, case) for case in make(work))


def as_all_read(path: Path, rows: list[dict[str, Any]]) -> str:
    """What is wrong with a Parquet output of rows of JSON, for pyarrow, polars or duckdb."""
    return table_difference(path, rows) or readers_difference(path)


def table_of(results: dict[str, Counter[str]]) -> str:
    """The counts of the outcomes as a table of Markdown."""
    lines = [f"| input | {EQUAL} | {REFUSED} | {WRONG} |", "|---|---:|---:|---:|"]
    sums = sum(results.values(), Counter[str]())
    for group, counts in [*results.items(), ("all", sums)]:
        lines.append(f"| {group} | {counts[EQUAL]} | {counts[REFUSED]} | {counts[WRONG]} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run all cases, and print them and the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="holds clones of the repositories")
    parser.add_argument("--write", type=Path, metavar="RESULTS.md", help="write the table to this file")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="files or matrices, as fnmatch has it")
    parser.add_argument("--jobs", type=int, default=2, help="commands at a time (default: %(default)s)")
    options = parser.parse_args()
    results: dict[str, Counter[str]] = defaultdict(Counter)
    work = Path(tempfile.mkdtemp())
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(options.jobs):
        workers.put(Worker())

    def run(item: tuple[str, Case]) -> tuple[str, Case, str, str]:
        worker = workers.get()
        try:
            return *item, *judge(item[1], worker)
        finally:
            workers.put(worker)

    started = time.perf_counter()
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            cases = groups(options.folder, work, options.only)
            while some := list(islice(cases, 64)):  # each holds what it expects in memory
                for group, case, outcome, message in pool.map(run, some):
                    results[group][outcome] += 1
                    print(f"{outcome}\t{group}\t{case.name}\t{message}", flush=True)
    finally:
        shutil.rmtree(work)
    table = table_of(results)
    print(f"\n{table}\n{time.perf_counter() - started:.0f} seconds")
    if options.write:
        options.write.write_text(table)
    return int(any(counts[WRONG] for counts in results.values()))


if __name__ == "__main__":
    sys.exit(main())
