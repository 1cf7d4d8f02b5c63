"""minilm/corpus/manifest.py: a job resumes only what it would have made undisturbed, or says why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from minilm.cli.main import main
from minilm.corpus.manifest import JobOptions
from minilm.corpus.rows import Corpus
from tests.corpus.running import (
    begin,
    failure,
    read_jsonl,
    run,
    write_input,
)


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "null",
        "{}",
        '{"options": 1}',
        '{"options": {}, "report": 1}',
        '{"options": {}, "report": {"x": 1}}',
    ],
)
def test_a_damaged_manifest_is_named(
    content: str, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, finished, broken = (tmp_path / name for name in ("in.txt", "finished.npy", "broken.npy"))
    source.write_text("one\ntwo\nthree\n")
    assert run(source, "-o", finished) == 0
    begin(model, [source], broken)
    for manifest, output in (
        (tmp_path / "finished.npy.manifest.json", finished),
        (tmp_path / "broken.npy.incomplete" / "manifest.json", broken),
    ):
        options = json.loads(manifest.read_text())["options"]
        manifest.write_text(content.replace('"options": {}', f'"options": {json.dumps(options)}'))
        code, line = failure(capsys, source, "-o", output)
        assert code == 1
        damaged = f"{manifest} is damaged, or not from minilm encode: "
        # of a manifest that can be read and has no options each of them is another
        assert line.startswith(damaged) or "was begun with other options" in line


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("on_error", ["skip", "empty"])
def test_the_way_out_that_a_refusal_offers_is_one(
    on_error: str, model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output, whole = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    source.write_text('"one"\n"two"\n"three"\nnull\n"five"\n')
    code, line = failure(capsys, source, "-o", output)
    assert (code, line) == (1, f"{source}, line 4: null (--on-error skip or empty goes on)")
    work = tmp_path / "out.jsonl.incomplete"
    assert len(read_jsonl(work / "rows")) == 2  # what had landed
    before = (work / "rows").read_bytes()
    assert run(source, "-o", output, "--on-error", on_error) == 0
    assert output.read_bytes().startswith(before)
    assert run(source, "-o", whole, "--on-error", on_error) == 0
    for mine, theirs in (
        (output, whole),
        *((Path(f"{output}{s}"), Path(f"{whole}{s}")) for s in (".manifest.json", ".errors.jsonl")),
    ):
        assert mine.read_bytes() == theirs.read_bytes()
    capsys.readouterr()
    code, line = failure(capsys, source, "-o", output)  # the other way round a row would be missing
    assert (code, f"on_error was '{on_error}' and is 'raise'" in line) == (1, True)
    assert model is not None


@pytest.mark.usefixtures("short_shards")
def test_another_tokenizer_is_another_job(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The weights are the same; the vectors would not be."""
    copy = tmp_path / "copy"
    shutil.copytree(model.checkpoint.directory, copy)
    source, output, index = tmp_path / "in.txt", tmp_path / "out.npy", tmp_path / "index.npy"
    source.write_text("one\ntwo\nthree\n")
    assert run(source, "-o", index, "--model", copy) == 0
    begin(MiniLM(copy), [source], output)
    # what a clone of the repository has besides is no difference
    (copy / "config_sentence_transformers.json").write_text("{}")
    assert main(["search", str(index), "one", "--model", str(copy)]) == 0
    capsys.readouterr()
    (copy / "config_sentence_transformers.json").unlink()
    tokenizer = json.loads((copy / "tokenizer.json").read_bytes())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    code, line = failure(capsys, source, "-o", output, "--model", copy)
    assert (code, "the model's tokenizer or configuration is another" in line) == (1, True)
    capsys.readouterr()
    assert main(["search", str(index), "one", "--model", str(copy)]) == 1
    assert "was made with another tokenizer or configuration" in capsys.readouterr().err


def test_another_job_is_not_mixed_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    write_input(source, "txt")
    output.write_bytes(b"mine")
    code, line = failure(capsys, source, "-o", output)
    assert (code, output.read_bytes()) == (1, b"mine")
    assert "exists, and not from here: take another name, or --overwrite" in line
    assert run(source, "-o", output, "--overwrite") == 0
    before = output.stat().st_mtime_ns
    assert failure(capsys, source, "-o", output) == (0, f"{output} is complete: 5 rows")
    assert output.stat().st_mtime_ns == before
    code, line = failure(capsys, source, "-o", output, "--dtype", "float16", "--max-seq-length", "9")
    assert code == 1
    assert "dtype was 'float32' and is 'float16'; max_seq_length was 256 and is 9" in line


def test_options_are_recorded_as_the_model_resolves_them(model: MiniLM, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one\n")
    corpus = Corpus([str(tmp_path / "in.txt")])
    recorded = JobOptions(pooling=("cls", "max"), dtype="float16").recorded(model, corpus, ".npy")
    assert recorded["pooling"] == ["cls", "max"]
    assert JobOptions().recorded(model, corpus, ".npy")["pooling"] == ["mean"]
    assert (recorded["dtype"], recorded["output"], recorded["prompt"]) == ("float16", ".npy", "")
    assert json.loads(json.dumps(recorded)) == recorded  # or else no job would ever match its manifest


@pytest.mark.parametrize("option", [{"on_error": "ignore"}, {"dtype": "float64"}])
def test_an_unknown_option_is_refused_by_name(option: dict[str, Any]) -> None:
    [(name, value)] = option.items()
    with pytest.raises(ValueError, match=f"{name} must be .*not {value!r}"):
        JobOptions(**option)
