"""minilm/corpus/formats/csv.py: no cell, column or quote loses a row silently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.corpus.running import (
    failure,
    run,
)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("line", [1, 3])
def test_a_quote_that_is_never_closed_takes_no_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, line: int
) -> None:
    lines = ["id,text", "1,one", "2,two", "3,three"]
    lines[line - 1] = lines[line - 1].replace(",", ',"')
    source = tmp_path / f"in.{kind}"
    source.write_text("\n".join(lines).replace(",", "\t" if kind == "tsv" else ","))
    for on_error in ("raise", "skip"):
        code, message = failure(capsys, source, "-o", tmp_path / "out.npy", "--on-error", on_error)
        assert (code, message) == (
            1,
            f"{source}, line {line}: a quote is opened in this row and never closed "
            "(--no-quoting, if quotes are text here)",
        )


def test_cells_beyond_the_header_are_not_dropped(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A comma that nobody quoted: the text would end before it, and nobody would know."""
    source, output = tmp_path / "in.csv", tmp_path / "out.npy"
    source.write_text("id,text\n1,whole\n2,Hello, world\n3,ends in a comma,\n")
    code, line = failure(capsys, source, "-o", output)
    assert (code, f"{source}, line 3: 3 cells, and the header has 2" in line) == (1, True)
    assert run(source, "-o", output, "--on-error", "skip") == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["whole", "ends in a comma"]))


@pytest.mark.parametrize(
    ("header", "options", "code"),
    [
        ("text,text", [], 1),
        ("text,id,id", [], 0),  # which of them is not asked
        ("text,id,id", ["--keep"], 1),
    ],
)
def test_a_column_that_is_there_twice_is_not_chosen_from(
    header: str, options: Sequence[str], code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"{header}\n{'a' + ',b' * header.count(',')}\n")
    returned, line = failure(capsys, tmp_path / "in.csv", "-o", tmp_path / "out.jsonl", *options)
    assert returned == code
    assert ("has two columns that are called" in line) == bool(code)
