"""minilm/corpus: a job goes on only to what it would have made undisturbed, and says so where it cannot."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.job import encode_corpus
from minilm.corpus.rows import Corpus
from tests.corpus.running import failure, read_jsonl, run


def begin(model: MiniLM, sources: Sequence[Path], output: Path, **options: Any) -> None:
    """The first shard of a job, and then a stop."""
    stop = threading.Event()
    stop.set()
    keep = options.pop("keep", False)
    encode_corpus(model, Corpus([str(s) for s in sources], keep=keep), output, stop=stop, **options)
    assert not output.exists()


@pytest.fixture
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 2)


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "files",
    [
        {"in.jsonl": "not JSON\n" + '{"body": "x"}\n' * 5},
        {"a.txt": "one\ntwo\nthree\n", "b.jsonl": '{"body": "x"}\n' * 3},
        {"a.jsonl": '"bare"\n' * 4 + '{"body": "x"}\n' * 3},
    ],
    ids=["a bad row first", "plain text first", "bare strings first"],
)
def test_the_columns_do_not_depend_on_where_it_was_stopped(
    files: dict[str, str], suffix: str, model: MiniLM, tmp_path: Path
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    sources = [tmp_path / name for name in files]
    whole, broken = tmp_path / f"whole.{suffix}", tmp_path / f"broken.{suffix}"
    encode_corpus(model, Corpus([str(s) for s in sources]), whole, on_error="skip")
    begin(model, sources, broken, on_error="skip")
    encode_corpus(model, Corpus([str(s) for s in sources]), broken, on_error="skip")
    assert broken.read_bytes() == whole.read_bytes()


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
    assert line.endswith(": --overwrite begins anew")
    assert not output.exists()
    assert run(source, "-o", output, "--overwrite") == 0


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


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_what_is_there_stays_if_there_is_no_room_for_the_whole(
    suffix: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source, output = tmp_path / "in.txt", tmp_path / f"out.{suffix}"
    source.write_text("one\n")
    assert run(source, "-o", output) == 0
    before = output.read_bytes()
    source.write_text("one\ntwo\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    kind = {"npy": "_Npy", "jsonl": "_JsonLines", "parquet": "_Parquet"}[suffix]
    with monkeypatch.context() as patched:
        patched.setattr(f"minilm.corpus.formats.{kind}.join", full)
        code, line = failure(capsys, source, "-o", output, "--overwrite")
    assert code == 1
    assert line == (
        f"{output}: No space left on device; what has landed is kept, and the same command without "
        "--overwrite goes on"
    )
    assert output.read_bytes() == before
    assert run(source, "-o", output) == 0
    assert output.read_bytes() != before


@pytest.mark.parametrize("suffix", ["npy", "parquet"])
@pytest.mark.parametrize("dedupe", [False, True])
@pytest.mark.parametrize("pooling", [None, "max"])
def test_truncated_embeddings_are_written_as_encode_gives_them(
    suffix: str, dedupe: bool, pooling: str | None, model: MiniLM, tmp_path: Path
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    short = MiniLM(truncate_dim=128)
    source, output = tmp_path / "in.txt", tmp_path / f"out.{suffix}"
    texts = ["one", "two", "one", "three"]
    source.write_text("\n".join(texts))
    encode_corpus(short, Corpus([str(source)]), output, dedupe=dedupe, pooling=pooling)  # type: ignore[arg-type]
    if suffix == "npy":
        written = np.load(output)
    else:
        import pyarrow.parquet as pq

        written = np.array(pq.read_table(output)["embedding"].to_pylist(), np.float32)
    assert written.shape == (4, 128)
    np.testing.assert_array_equal(written, short.encode(texts, pooling=pooling))  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="truncate_dim was 128 and is None"):
        encode_corpus(model, Corpus([str(source)]), output, dedupe=dedupe, pooling=pooling)  # type: ignore[arg-type]


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (['{"a": 1}', '{"a": 1}', '{"a": 1, "b": 2}'], "'meta' cannot be kept as struct<a: int64>, "),
        (
            ['[{"a": 1}]', "[]", '[{"a": 1, "b": 2}]'],
            "'meta' cannot be kept as list<",
        ),
        (["{}", "{}", "{}"], "a column cannot be kept in Parquet: "),
        (["18446744073709551616", "1", "1"], "column 'meta' cannot be kept: "),
        (
            ["1", "2", "18446744073709551616"],
            "column 'meta' cannot be kept as int64, which it was at first: ",
        ),
    ],
)
def test_nothing_that_is_kept_is_dropped_without_a_word(
    rows: Sequence[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"text": "a", "meta": {row}}}\n' for row in rows))
    code, line = failure(capsys, source, "-o", tmp_path / "out.parquet", "--keep")
    assert (code, message in line) == (1, True)
    assert run(source, "-o", tmp_path / "out.jsonl", "--keep") == 0
    assert [row["meta"] for row in read_jsonl(tmp_path / "out.jsonl")] == [json.loads(row) for row in rows]


def test_no_field_is_dropped_where_a_parquet_input_gives_the_type(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    (tmp_path / "a.jsonl").write_text('{"text": "x", "meta": {"a": 1}}\n')
    pq.write_table(pa.table({"text": ["y"], "meta": [{"b": 1}]}), tmp_path / "b.parquet")
    sources = [tmp_path / "a.jsonl", tmp_path / "b.parquet"]
    code, line = failure(capsys, *sources, "-o", tmp_path / "out.parquet", "--keep")
    assert (code, "there is no field 'a'" in line) == (1, True)


def test_a_kept_column_does_not_take_the_place_of_the_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 1)
    source = tmp_path / "in.jsonl"
    source.write_text('"bare"\n{"body": "x"}\n{"body": "y", "text": "z"}\n')
    message = "a column that is to be kept is called 'text', as that of the texts is"
    outputs = [tmp_path / name for name in ("out.jsonl", "out.parquet")]
    for options in ([], *(["-o", str(output)] for output in outputs)):
        code = run(source, "--keep", *options)
        assert (code, message in capsys.readouterr().err) == (1, True)
