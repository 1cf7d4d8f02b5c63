"""minilm/corpus/formats/shard.py: the columns of an output have distinct names, and lost rows are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm import MiniLM
from tests.corpus.running import (
    begin,
    failure,
    run,
)


@pytest.mark.parametrize("options", [["-o", "out.jsonl"], ["-o", "out.parquet"], []])
def test_a_text_in_a_column_called_as_that_of_the_vectors_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text('{"embedding": "one", "text": "two"}\n')
    message = "a column of the input is called 'embedding', like the column of the vectors"
    message += " (--embedding-column NAME)"
    assert failure(capsys, "in.jsonl", "--column", "embedding", *options) == (1, message)
    assert failure(capsys, "in.jsonl", "--keep", *options) == (1, message)
    assert run("in.jsonl", "--column", "embedding", "-o", "out.npy") == 0  # which has no columns


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_rows_that_had_landed_and_are_gone_are_not_made_up(
    suffix: str, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source, output = tmp_path / "in.txt", tmp_path / f"out.{suffix}"
    source.write_text("one\ntwo\nthree\n")
    begin(model, [source], output)
    work = tmp_path / f"out.{suffix}.incomplete"
    landed = work / ("part-000000.parquet" if suffix == "parquet" else "rows")
    if suffix == "parquet":
        landed.unlink()
    else:
        landed.write_bytes(landed.read_bytes()[:-1])
    code, line = failure(capsys, source, "-o", output)
    assert code == 1
    assert line.startswith(str(landed))
    assert line.endswith(": --overwrite starts over")
    assert not output.exists()
    assert run(source, "-o", output, "--overwrite") == 0


def test_a_kept_column_does_not_take_the_place_of_the_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 1)
    source = tmp_path / "in.jsonl"
    source.write_text('"bare"\n{"body": "x"}\n{"body": "y", "text": "z"}\n')
    message = "a column to keep is called 'text', like the column of the texts"
    outputs = [tmp_path / name for name in ("out.jsonl", "out.parquet")]
    for options in ([], *(["-o", str(output)] for output in outputs)):
        code = run(source, "--keep", *options)
        assert (code, message in capsys.readouterr().err) == (1, True)
