"""``minilm trace`` from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm.cli.main import main
from tests.checkpoints import MakeCheckpoint
from tests.cli.running import failure

PROBS = "encoder.layer.1.attention.self.attention_probs"


@pytest.fixture
def small(make_checkpoint: MakeCheckpoint) -> list[str]:
    return ["--model", str(make_checkpoint())]


@pytest.fixture
def written(small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A trace of "a b" and "c", and the place where a changed one may be written."""
    path = tmp_path / "t.safetensors"
    assert main(["trace", "a b", "c", "-o", str(path), *small]) == 0
    assert capsys.readouterr().out == f"{path}: 38 tensors of 2 texts with up to 4 tokens\n"
    return path


def changed(path: Path, **tensors: Any) -> str:
    other = path.with_name("other.safetensors")
    kept = {name: x for name, x in {**load_file(path), **tensors}.items() if x is not None}
    save_file(kept, other)
    return str(other)


def test_a_trace_agrees_with_itself(
    written: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for texts in ([], ["a b", "c"]):
        assert main(["trace", *texts, "--compare", str(written), *small]) == 0
        assert capsys.readouterr().out.startswith(f"no difference in 35 tensors of {written}\n")
    stored = load_file(written)
    assert {x.dtype for x in stored.values()} == {np.dtype(np.float64), np.dtype(np.int64)}


def test_a_difference_is_exit_code_1_and_one_line(
    written: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    probs = load_file(written)[PROBS]
    probs[1, 2, 0, 3] = 0.25
    other = changed(written, **{PROBS: probs})
    assert main(["trace", "--compare", other, *small]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "layer 1, attention probabilities: masked keys have weight",
        f"tensor: {PROBS}",
        "index (1, 2, 0, 3): 0.25 there, 0 here",
        "1 of 128 numbers differ by more than 5e-05 (1 + |x|)",
        "23 tensors before it agree",
    ]
    says = "layer 1, attention probabilities: masked keys have weight"
    assert captured.err == f"minilm: {other} differs: {says}\n"
    assert main(["trace", "--compare", other, "--tolerance", "0.3", *small]) == 0
    assert main(["trace", "--compare", other, "--tolerance", "bfloat16", *small]) == 0


def test_missing_tensors_need_partial(
    written: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = changed(written, **{PROBS: None, "sentence_embedding": None})
    assert main(["trace", "--compare", other, *small]) == 1
    captured = capsys.readouterr()
    assert f"missing: {PROBS}, sentence_embedding\n" in captured.out
    assert captured.err == f"minilm: {other}: 2 tensors are missing; --partial leaves them aside\n"
    assert main(["trace", "--compare", other, "--partial", *small]) == 0


def test_other_texts_are_said_first(
    written: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = changed(written, **{PROBS: np.ones(3)})
    assert failure(capsys, "trace", "a b", "d", "--compare", other, *small) == (
        1,
        f"{other} is of other texts, or of another tokenizer: the token ids of text 1 differ at token 1: "
        "7 (c) there, 8 (d) here",
    )


def test_a_file_without_token_ids_needs_the_texts(
    written: Path, small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    other = changed(written, input_ids=None, attention_mask=None)
    code, said = failure(capsys, "trace", "--compare", other, *small)
    assert (code, said) == (1, f"{other} has no input_ids: write them, or name its texts as TEXT")
    assert main(["trace", "a b", "c", "--compare", other, *small]) == 0


def test_a_file_with_other_names_is_no_trace(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "o.safetensors"
    save_file({"bert.encoder": np.ones(2)}, path)
    code, said = failure(capsys, "trace", "a", "--compare", str(path), *small)
    assert code == 1
    assert said.endswith(
        "has no tensor with a name like embeddings.word_embeddings; its names are bert.encoder"
    )


def test_texts_are_cut_as_the_model_says_and_the_user_is_told(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.safetensors"
    assert main(["trace", "a " * 30, "-o", str(path), "--max-seq-length", "8", *small]) == 0
    assert load_file(path)["input_ids"].shape == (1, 8)
    assert "1 of 1 texts were cut at 8 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a file: -o FILE writes a trace, --compare FILE compares one"),
        (["a"], "name a file: -o FILE writes a trace, --compare FILE compares one"),
        (["-o", "x"], "TEXT is missing"),
        (["a", "--compare", "x", "--dtype", "float32"], "--dtype is for -o"),
        (["--compare", "x", "--max-seq-length", "9"], "--max-seq-length is for TEXT"),
        (["a", "-o", "x", "--tolerance", "1"], "--tolerance is for --compare"),
        (["a", "-o", "x", "--partial"], "--partial is for --compare"),
        (["a", "-o", "x", "--compare", "./x"], "-o and --compare name the same file"),
        (["--compare", "x", "--tolerance", "0"], "--tolerance must be a positive number, not 0, or one of"),
        (
            ["--compare", "x", "--tolerance", "half"],
            "--tolerance must be a positive number, not half, or one",
        ),
        (["a", "-o", "x", "--dtype", "float16"], "argument --dtype: invalid choice"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = failure(capsys, "trace", *arguments)
    assert code == 2
    assert said.startswith(message)


def test_files_that_cannot_be_used_are_one_line(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("no tensors at all")
    for path, message in (("text", "cannot be read as safetensors"), ("none", "No such file"), (".", "")):
        code, said = failure(capsys, "trace", "--compare", str(tmp_path / path), *small)
        assert code == 1
        assert message in said
    for path, message in (("none/t", "No such file"), (".", "not a file that can be written")):
        code, said = failure(capsys, "trace", "a", "-o", str(tmp_path / path), *small)
        assert code == 1
        assert said.startswith(f"{tmp_path / path}: {message}")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["checkpoint", "text"]


def test_a_text_that_is_not_unicode_is_refused_by_its_place(
    small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = failure(capsys, "trace", "a", "b\ud800", "-o", "x", *small)
    assert code == 1
    assert said.startswith("TEXT 1 ")
