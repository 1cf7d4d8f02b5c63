"""``minilm encode`` run from a test, on a few texts in a file of any kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm.cli.main import main

TEXTS = ["Simmer the onions.", 'A "quoted", comma', "", "grüße\u2028two", "Reset your password here."]


def run(*arguments: str | Path) -> int:
    return main(["encode", *map(str, arguments)])


def failure(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    code = run(*arguments)
    return code, capsys.readouterr().err.removeprefix("minilm: ").rstrip("\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


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
