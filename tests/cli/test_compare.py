"""minilm compare: the score, the numbers of tokens, and the explanation, from one run of the encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers

from minilm import MiniLM
from minilm.cli.compare import explanation_text
from minilm.cli.main import main
from minilm.fast.engine import Engine
from tests.checkpoints import TINY, MakeCheckpoint, add_dense
from tests.cli.running import A, B, failure, run
from tests.parity.texts import of_length

# The score is of embeddings rounded to float32, the sum of exact products: 384 roundings of 6e-8 relative,
# of components near 0.05, seen at 2e-8.
BOUND = 1e-6


def test_compare_prints_the_score_to_four_digits() -> None:
    result = run("compare", A, B)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"Score: 0.8052\n", b"")


def test_compare_prints_all_the_digits_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", A, B, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert round(report["score"], 6) == 0.805222
    assert (report["tokens"], report["max_seq_length"]) == ([9, 9], 256)


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_blank_texts_are_refused_in_the_words_of_the_page(
    capsys: pytest.CaptureFixture[str], blank: str
) -> None:
    for texts in ((blank, B), (A, blank)):
        assert failure(capsys, "compare", *texts) == (2, "Please enter text to compare.")


def test_a_cut_text_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", of_length(300), B]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Score: ")
    assert err.startswith("minilm: 1 of 2 texts were cut at 256 tokens")
    assert err.count("\n") == 1


class Counted:
    """A tokenizer's backend that counts the texts it is given."""

    def __init__(self, backend: tokenizers.Tokenizer, counts: dict[str, int]) -> None:
        self._backend, self._counts = backend, counts

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._backend, name)
        if not name.startswith("encode"):
            return attribute

        def encode(texts: str | list[str], *arguments: Any, **options: Any) -> Any:
            self._counts["tokenized"] += 1 if isinstance(texts, str) else len(texts)
            return attribute(texts, *arguments, **options)

        return encode


@pytest.mark.parametrize("options", [(), ("--json",), ("--explain",), ("--json", "--explain")])
def test_each_text_is_tokenized_once_and_encoded_once(
    options: tuple[str, ...], model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"tokenized": 0, "encoded": 0}
    for name, value in vars(model.tokenizer).items():
        if isinstance(value, tokenizers.Tokenizer):
            monkeypatch.setattr(model.tokenizer, name, Counted(value, counts))
    run_engine = Engine.run

    def run_counted(engine: Engine, input_ids: Any, *arguments: Any, **options: Any) -> Any:
        counts["encoded"] += len(input_ids)
        return run_engine(engine, input_ids, *arguments, **options)

    monkeypatch.setattr(Engine, "run", run_counted)
    monkeypatch.setattr("minilm.cli.compare.load_model", lambda _: model)
    assert main(["compare", A, B, *options]) == 0
    assert counts == {"tokenized": 2, "encoded": 2}


@pytest.mark.parametrize("normalize", [True, False])
def test_the_score_is_the_cosine_also_of_embeddings_of_other_lengths(
    normalize: bool, make_checkpoint: MakeCheckpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_checkpoint(config=replace(TINY, normalize=normalize))
    first, second = MiniLM(directory).encode([A, B], normalize_embeddings=True).astype(np.float64)
    for options in ([], ["--explain"]):
        assert main(["compare", A, B, "--json", "--model", str(directory), *options]) == 0
        report = json.loads(capsys.readouterr().out)
        assert abs(report["score"] - first @ second) < BOUND
        assert report["tokens"] == [len(ids) for ids in MiniLM(directory).tokenizer.texts([A, B]).input_ids]


def test_a_text_that_the_explanation_cut_is_told_in_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", of_length(300), B, "--explain"]) == 0
    out, err = capsys.readouterr()
    assert "(only the first 256 tokens of this text count)" in out
    assert err == (
        "minilm: 1 of 2 texts were cut at 256 tokens (max_seq_length); the rest of them was not encoded\n"
    )


def test_an_option_that_the_checkpoint_does_not_allow_is_wrong_usage(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_checkpoint()
    width = TINY.hidden_size
    tensors = {"linear.weight": np.eye(2, width, dtype=np.float32), "linear.bias": np.ones(2, np.float32)}
    add_dense(directory, tensors, in_features=width)
    code, line = failure(capsys, "compare", "a", "b", "--model", str(directory), "--explain")
    assert (code, line.startswith("--explain cannot split the score: ")) == (2, True)
    (tmp_path / "in.txt").write_text("a\n")
    code, line = failure(
        capsys, "encode", str(tmp_path / "in.txt"), "--model", str(directory), "--pooling", "cls"
    )
    assert (code, line.startswith("--pooling cannot be chosen: ")) == (2, True)


@pytest.mark.parametrize("options", [[], ["--explain"]])
def test_an_argument_that_is_not_text_is_named(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = failure(capsys, "compare", "half\udc80", B, *options)
    assert (code, line.startswith("TEXT_A holds the lone surrogate")) == (1, True)


def test_compare_explains_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", A, B, "--explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Score: 0.8052"
    assert "girl (+0.121)" in lines[1]
    assert lines[-1] == "Sum of all 81 pairs: 0.8052"
    assert "\x1b" not in "".join(lines)  # not a terminal


def test_compare_explains_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", A, B, "--explain", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert abs(np.sum(report["explanation"]["contributions"]) - report["score"]) < BOUND


def test_colour_shades_words_and_lets_no_control_character_through(model: MiniLM) -> None:
    text = explanation_text(model.explain("girl\x1b[2J hair", B), in_colour=True)
    assert "\x1b[38;5;231;48;5;21mgirl" in text
    assert "\x1b[2J" not in text
