"""minilm/corpus/job.py: a job resumes after any interruption, to the same bytes."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.index import Index
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions, Report
from minilm.corpus.rows import Corpus
from minilm.quantization import quantize_embeddings
from tests.corpus.running import (
    TEXTS,
    assert_same,
    begin,
    corpus_of,
    failure,
    read_jsonl,
    run,
    start,
    write_input,
)

KILLS = int(os.environ.get("MINILM_KILLS", "4"))  # more of them by hand


def test_float16_and_several_inputs(model: MiniLM, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for name in ("a.txt", "b.txt"):
        write_input(tmp_path / name, "txt")
    write_input(tmp_path / "c.csv", "csv")
    output = tmp_path / "out.npy"
    assert run(tmp_path / "*.txt", tmp_path / "c.csv", "-o", output, "--dtype", "float16") == 0
    vectors = np.load(output)
    assert vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors, model.encode(TEXTS * 3).astype(np.float16))
    half = tmp_path / "half.parquet"
    assert run(tmp_path / "a.txt", "-o", half, "--dtype", "float16") == 0
    found = Index(half).search(model.encode(["I cannot log in"]), 1)[0][0]
    assert (found.row, found.text) == (4, TEXTS[4])


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_vectors_are_written_in_fewer_bits_and_found_again(
    precision: str, suffix: str, model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / f"out.{suffix}"
    write_input(source, "jsonl")
    if suffix == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert run(source, "-o", output, "--dtype", precision) == 0
    options = json.loads((tmp_path / f"out.{suffix}.manifest.json").read_bytes())["options"]
    ranges = options["ranges"] and np.array(options["ranges"], np.float32)
    expected = quantize_embeddings(model.encode(TEXTS), precision, ranges)  # type: ignore[call-overload]
    if suffix == "npy":
        stored = np.load(output)
    elif suffix == "jsonl":
        stored = np.array([row["embedding"] for row in read_jsonl(output)])
    else:
        column = parquet.read_table(output)["embedding"].combine_chunks()
        stored = column.flatten().to_numpy().reshape(len(TEXTS), -1)
    np.testing.assert_array_equal(stored, expected)
    if suffix != "jsonl":
        assert stored.dtype == expected.dtype
    assert (
        main(["search", str(output), "I cannot log in", "-k", "1", "--rescore-multiplier", "5", "--json"])
        == 0
    )
    [hit] = json.loads(capsys.readouterr().out)["hits"]
    assert hit["row"] == 4
    exact = float(model.encode("I cannot log in") @ model.encode(TEXTS[4]))
    if ranges is not None:  # a step is 0.004 wide, and 384 of them are added
        assert abs(hit["score"] - exact) < 0.01 + 384 * 0.004 * 0.05
        assert np.abs(model.encode(TEXTS)).max() < ranges[1].min()


def test_only_vectors_of_length_1_have_known_ranges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.txt"
    write_input(source, "txt")
    message = (
        "int8 needs vectors of length 1, and these are not normalized: take --normalize, or --dtype float16"
    )
    outputs: tuple[list[str | Path], ...] = (["-o", tmp_path / "out.npy"], [])
    for output in outputs:
        assert failure(capsys, source, *output, "--dtype", "int8", "--no-normalize") == (1, message)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source, whole, broken = (tmp_path / name for name in ("in.jsonl", f"whole.{suffix}", f"broken.{suffix}"))
    corpus_of(source, 200 * KILLS)
    manifest = tmp_path / f"broken.{suffix}.incomplete" / "manifest.json"

    def landed() -> int:
        return int(json.loads(manifest.read_text())["report"]["inputs"]) if manifest.exists() else 0

    assert start(source, whole).wait() == 0
    generator = random.Random(2)
    kills = 0
    for _ in range(KILLS):
        shutil.copy(source, tmp_path / "copy")  # as on a machine that fetches its corpus again
        (tmp_path / "copy").replace(source)
        process, before = start(source, broken), landed()
        # once it has gone on by a shard, at any moment of the next ones
        while landed() == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(generator.uniform(0, 0.05))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert start(source, broken).wait() == 0
    print(f"{suffix}: killed {kills} times of {KILLS} tried")  # the others came too late
    assert kills > KILLS // 2
    assert_same(broken, whole)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_killed_while_it_begins_or_ends_it_goes_on_to_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    """A job so short that most of it is what comes before the first shard and after the last."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source, whole, broken = (tmp_path / name for name in ("in.jsonl", f"whole.{suffix}", f"broken.{suffix}"))
    corpus_of(source, 150)
    assert start(source, whole).wait() == 0
    work = tmp_path / f"broken.{suffix}.incomplete"
    steps = [
        work / "lock",
        work / "rows" if suffix != "parquet" else work / "part-000000.parquet",
        work / "manifest.json",
        *([work / "joined"] if suffix == "parquet" else []),
        tmp_path / f"broken.{suffix}.errors.jsonl",
        tmp_path / f"broken.{suffix}.manifest.json",
    ]
    generator = random.Random(3)
    tries = max(len(steps), KILLS // 2)
    kills = 0
    for number in range(tries):
        process = start(source, broken)
        while not steps[number % len(steps)].exists() and process.poll() is None:
            pass
        time.sleep(generator.choice([0, 0.0003, 0.001, 0.003]))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert start(source, broken).wait() == 0
        assert_same(broken, whole)
        assert not work.exists()
        for path in tmp_path.glob("broken.*"):
            path.unlink()
    print(f"{suffix}: killed {kills} times of {tries} tried")  # the others came too late
    assert kills > 0  # where the first step is seen, nearly all is still to be done


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_lands_the_rows_in_hand(name: str, code: int, tmp_path: Path) -> None:
    if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        pytest.skip(f"{name} is ignored here, as under nohup")
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    source.write_text("".join(f"some text {i}\n" for i in range(40_000)))
    process = start(source, output, rows=512, options=(), stderr=subprocess.PIPE)
    manifest = tmp_path / "out.npy.incomplete" / "manifest.json"
    while not manifest.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(getattr(signal, name))
    assert process.stderr
    lines = process.stderr.read().decode().splitlines()
    process.stderr.close()
    assert process.wait() == code
    landed = json.loads(manifest.read_text())["report"]["inputs"]
    assert 0 < landed < 40_000
    assert lines[-1] == f"minilm: interrupted after {landed:,} rows; the same command goes on from there"


def test_the_library_leaves_signals_to_its_caller(model: MiniLM, tmp_path: Path) -> None:
    """Also while a job runs: only the command handles them."""
    numbers = signal.SIGINT, signal.SIGTERM
    before, during = [signal.getsignal(number) for number in numbers], []
    write_input(tmp_path / "in.txt", "txt")

    def note(_: Report, __: int) -> None:
        during.append([signal.getsignal(number) for number in numbers])

    encode_corpus(model, Corpus([str(tmp_path / "in.txt")]), tmp_path / "out.npy", advance=note)
    assert during
    assert all(handlers == before for handlers in during)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("rows", [2, 3, 4, 7, 8, 9, 10])
def test_no_row_is_lost_between_windows(
    rows: int, model: MiniLM, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 3)
    texts = [f"text {row}" for row in range(rows)]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(texts).encode())))
    assert run() == 0
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in written] == texts
    np.testing.assert_array_equal(
        np.array([row["embedding"] for row in written], np.float32), model.encode(texts)
    )


def test_a_bad_row_at_the_edge_of_a_window_is_noticed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 3)
    source = tmp_path / "in.jsonl"
    source.write_text('"a"\n"b"\n"c"\nnull\n"d"\n')
    code, line = failure(capsys, source)
    assert (code, line) == (1, f"{source}, line 4: null (--on-error skip or empty goes on)")
    assert run(source, "--on-error", "skip") == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == ["a", "b", "c", "d"]
    assert captured.err == f"minilm: {source}, line 4: null\n"


def test_progress_counts_finished_rows(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    source = tmp_path / "in.txt"
    source.write_text("one\n" * 5)  # 20 bytes
    corpus = Corpus([str(source)])
    told: list[tuple[int, int]] = []
    stop = threading.Event()

    def advance(report: Report, position: int) -> None:
        told.append((report.rows, position))
        if report.rows == 4:
            stop.set()

    encode_corpus(model, corpus, tmp_path / "out.npy", advance=advance, stop=stop)
    assert [rows for rows, _ in told] == [0, 2, 4]
    assert told[0][1] == 0
    assert 0 < told[1][1] <= told[2][1]  # a file is read ahead, in larger pieces
    encode_corpus(model, corpus, tmp_path / "out.npy", advance=advance)
    assert told[3][0] == 4
    assert told[3][1] > 0
    assert told[-1] == (5, 20)


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
    options = JobOptions(dedupe=dedupe, pooling=pooling)  # type: ignore[arg-type]
    encode_corpus(short, Corpus([str(source)]), output, options)
    if suffix == "npy":
        written = np.load(output)
    else:
        import pyarrow.parquet as pq

        written = np.array(pq.read_table(output)["embedding"].to_pylist(), np.float32)
    assert written.shape == (4, 128)
    np.testing.assert_array_equal(written, short.encode(texts, pooling=pooling))  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="truncate_dim was 128 and is None"):
        encode_corpus(model, Corpus([str(source)]), output, options)


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
    encode_corpus(model, Corpus([str(s) for s in sources]), whole, JobOptions(on_error="skip"))
    begin(model, sources, broken, on_error="skip")
    encode_corpus(model, Corpus([str(s) for s in sources]), broken, JobOptions(on_error="skip"))
    assert broken.read_bytes() == whole.read_bytes()
