"""``minilm encode`` run from a test, on a few texts in a file of any kind."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from minilm.cli.main import main
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions
from minilm.corpus.rows import Corpus

TEXTS = ["Simmer the onions.", 'A "quoted", comma', "", "grüße\u2028two", "Reset your password here."]


def run(*arguments: str | Path) -> int:
    return main(["encode", *map(str, arguments)])


def failure(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """The exit code, and what this run says on stderr."""
    capsys.readouterr()
    code = run(*arguments)
    return code, capsys.readouterr().err.removeprefix("minilm: ").rstrip("\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def json_rows_of(path: Path, content: str | bytes, kind: str = "json") -> list[Any]:
    """The texts and kept columns of a file; of a row without text, the problem."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    corpus = Corpus([str(path)], format=kind, column="text", keep=True)
    return [(row.text, row.other_columns) if row.problem is None else row.problem for row in corpus]


def write_input(path: Path, kind: str) -> None:
    """TEXTS in a file of that kind, where there are other columns with a number."""
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    if kind == "txt":
        path.write_text("".join(f"{text}\n" for text in TEXTS), "utf-8")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        import csv

        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if kind == "tsv" else ",")
            writer.writerows([["id", "text"], *([row["id"], row["text"]] for row in rows)])


# Each distinct text is encoded with other neighbours: under AVX-512 kernels the same bits, else within this.
BOUND = 3e-7


def corpus_of(path: Path, rows: int) -> None:
    """Short texts, a hundredth of them no text, a tenth of them twice."""
    generator = random.Random(0)
    with path.open("w") as file:
        for i in range(rows):
            number = generator.randrange(rows) if i % 10 == 0 else i
            file.write(json.dumps({"n": i, "text": None if i % 100 == 7 else f"text {number}"}) + "\n")


def start(
    source: Path,
    output: Path,
    *,
    rows: int = 64,
    options: Sequence[str] = ("--on-error", "skip", "--dedupe"),
    stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """The command in a process of its own, in shards of few rows, so that there are many moments."""
    program = "import minilm._pipeline as pipeline, sys\nfrom minilm.cli.main import main\n"
    program += f"pipeline.WINDOW_TEXTS = {rows}\nsys.exit(main())"
    command = ["encode", str(source), "-o", str(output), *options]
    keep = ["--keep"] if output.suffix != ".npy" else []
    return subprocess.Popen([sys.executable, "-c", program, *command, *keep], stderr=stderr)


def assert_same(mine: Path, theirs: Path) -> None:
    assert mine.read_bytes() == theirs.read_bytes()
    a, b = (path.with_name(f"{path.name}.errors.jsonl").read_text() for path in (mine, theirs))
    assert a == b
    a, b = (path.with_name(f"{path.name}.manifest.json").read_text() for path in (mine, theirs))
    assert re.sub(r'"modified": \d+', "", a) == re.sub(r'"modified": \d+', "", b)  # the time is a hint


def begin(model: MiniLM, sources: Sequence[Path], output: Path, **options: Any) -> None:
    """The first shard of a job, and then a stop."""
    stop = threading.Event()
    stop.set()
    keep = options.pop("keep", False)
    encode_corpus(
        model, Corpus([str(s) for s in sources], keep=keep), output, JobOptions(**options), stop=stop
    )
    assert not output.exists()
