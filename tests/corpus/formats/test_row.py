"""minilm/corpus/formats/row.py: a row without text says why, in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.corpus.running import (
    failure,
    read_jsonl,
)

BAD = {
    "txt": (b"good\n\xff\nfine\n", [(2, "not UTF-8")]),
    "jsonl": (
        b'{"text": "good"}\n{"text": null}\n{"text": 3}\n{"other": 1}\n{"text"\n{"text": "fine"}\n',
        [(2, "null"), (3, "a number, not text"), (4, "no column 'text'"), (5, "not JSON")],
    ),
    "csv": (
        b'id,text\n1,good\n2,\xff\n3\n4,"a" quote\n5,fine\n',
        [(3, "not UTF-8"), (4, "no 'text'"), (5, "not CSV")],
    ),
    "tsv": (
        b'id\ttext\n1\tgood\n2\t"a" quote\n3\tfine\n',
        [(3, "not CSV")],
    ),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_rows_that_are_no_text(
    kind: str, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content, problems = BAD[kind]
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.npy"
    source.write_bytes(content)
    code, message = failure(capsys, source, "-o", output)
    assert code == 1
    assert message.startswith(f"{source}, line {problems[0][0]}: {problems[0][1]}")
    assert not output.exists()
    for on_error, texts in (
        ("skip", ["good", "fine"]),
        ("empty", ["good", *[""] * len(problems), "fine"]),
    ):
        code, message = failure(capsys, source, "-o", output, "--on-error", on_error, "--overwrite")
        assert code == 0
        assert f"{len(problems)} rows had no text" in message
        np.testing.assert_array_equal(np.load(output), model.encode(texts))
        listed = read_jsonl(tmp_path / "out.npy.errors.jsonl")
        assert [row["line"] for row in listed] == [line for line, _ in problems]
        for row, (_, problem) in zip(listed, problems, strict=True):
            assert row["problem"].startswith(problem)
