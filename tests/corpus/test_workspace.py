"""minilm/corpus/workspace.py: an output is replaced as a whole, and a full disk loses nothing."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.formats.json_lines import JsonLinesWriter
from minilm.corpus.formats.npy import NpyWriter
from minilm.corpus.formats.parquet_writer import ParquetWriter
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions
from minilm.corpus.rows import Corpus
from minilm.corpus.workspace import JobWorkspace
from tests.corpus.running import (
    corpus_of,
    failure,
    run,
)


def test_an_existing_file_stays_until_the_new_one_is_complete(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output, errors = (tmp_path / name for name in ("in.jsonl", "out.npy", "out.npy.errors.jsonl"))
    source.write_text('{"text": "one"}\n{"text": null}\n{"text": "two"}\n')
    assert run(source, "-o", output, "--on-error", "skip") == 0
    before = output.read_bytes()
    assert errors.exists()
    # a job that cannot begin, or dies of a row
    for options in (["--column", "typo"], ["--on-error", "raise"]):
        assert failure(capsys, source, "-o", output, "--overwrite", *options)[0] == 1
        assert output.read_bytes() == before
    assert failure(capsys, source, "-o", output, "--on-error", "skip")[0] == 0  # done already
    assert output.read_bytes() == before
    # another process at work on it
    with JobWorkspace(output).locked():
        code, line = failure(capsys, source, "-o", output, "--overwrite", "--on-error", "skip")
        assert (code, line) == (1, f"{output} is being written by another process")
        assert output.read_bytes() == before
    # one that is interrupted goes on, and then takes its place, errors and all
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 1)
    source.write_text('{"text": "three"}\n{"text": "four"}\n')
    stop = threading.Event()
    stop.set()
    report = encode_corpus(model, Corpus([str(source)]), output, JobOptions(overwrite=True), stop=stop)
    assert (report.inputs, output.read_bytes()) == (1, before)
    assert JobWorkspace(output).is_in_progress
    assert run(source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["three", "four"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in.jsonl",
        "out.npy",
        "out.npy.manifest.json",
    ]


@pytest.mark.parametrize("name", ["in.jsonl", "other.jsonl.manifest.json", "other.jsonl.errors.jsonl"])
def test_no_input_is_written_over(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    source, output = tmp_path / name, tmp_path / ("in.jsonl" if name == "in.jsonl" else "other.jsonl")
    source.write_text('{"text": "one"}\n')
    for options in ([], ["--overwrite"]):
        code, line = failure(capsys, tmp_path / "*.json*", "-o", output, *options)
        message = f"{source} is an input, and would be overwritten: take another name than {output}"
        assert (code, line) == (1, message)
        assert source.read_text() == '{"text": "one"}\n'


def test_other_rows_from_stdin_are_another_job(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(*lines: str) -> None:
        raw = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))

    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 2)
    output = tmp_path / "out.npy"
    refusal = f"{output} was begun with other rows from stdin. Take another name, or --overwrite"
    stop = threading.Event()
    stop.set()
    give("one", "two", "three")
    assert encode_corpus(model, Corpus(["-"]), output, stop=stop).inputs == 2
    for other in (["one", "2", "three"], ["one"], []):
        give(*other)
        assert failure(capsys, "-", "-o", output) == (1, refusal)
    give("one", "two", "three")
    assert run("-", "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["one", "two", "three"]))
    give("one", "two", "three")
    assert failure(capsys, "-", "-o", output) == (0, f"{output} is complete: 3 rows")
    for other in (["one", "two"], ["one", "two", "three", "four"], ["three", "two", "one"]):
        give(*other)
        assert failure(capsys, "-", "-o", output) == (1, refusal)
    give("four")
    assert run("-", "-o", output, "--overwrite") == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["four"]))


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_a_full_disk_or_a_stop_loses_nothing(
    suffix: str, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 64)
    source, whole, broken = tmp_path / "in.jsonl", tmp_path / f"whole.{suffix}", tmp_path / f"broken.{suffix}"
    corpus_of(source, 1000)

    def encode(output: Path) -> None:
        corpus = Corpus([str(source)], keep=suffix != "npy")
        encode_corpus(model, corpus, output, JobOptions(on_error="skip", dedupe=True))

    encode(whole)
    real = os.fsync
    generator = random.Random(1)

    def full(descriptor: int) -> None:
        if generator.random() < 0.1:
            raise OSError(28, "No space left on device")
        real(descriptor)

    failures = 0
    while not broken.exists():
        monkeypatch.setattr(os, "fsync", full)
        try:
            encode(broken)
        except CorpusError:
            failures += 1
        finally:
            monkeypatch.setattr(os, "fsync", real)
    assert failures > 3
    encode(broken)  # whatever was left between the last steps
    assert broken.read_bytes() == whole.read_bytes()
    for name in ("errors.jsonl", "manifest.json"):
        mine, theirs = (path.with_name(f"{path.name}.{name}").read_text() for path in (broken, whole))
        assert mine == theirs
    assert not list(tmp_path.glob("*.incomplete"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "minilm-test", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root on Linux only")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("options", [[], ["--dedupe"]])
def test_a_disk_that_is_really_full_fails_in_one_line_and_goes_on_once_there_is_room(
    options: list[str],
    small_disk: Path,
    model: MiniLM,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 512)
    source, output, ballast = small_disk.parent / "in.txt", small_disk / "out.npy", small_disk / "ballast"
    texts = [f"text {i}" for i in range(2000)]  # 2.9 MiB of vectors
    source.write_text("\n".join(texts))
    ballast.write_bytes(bytes(6 << 20))
    code, message = failure(capsys, source, "-o", output, *options)
    assert (code, output.exists()) == (1, False)
    assert message.startswith(f"{output}: ")
    reasons = r"(No space left on device|database or disk is full)"
    assert re.fullmatch(
        f"{reasons}; finished rows are kept, and the same command resumes the job",
        message.removeprefix(f"{output}: "),
    )
    landed = json.loads((small_disk / "out.npy.incomplete" / "manifest.json").read_text())["report"]["inputs"]
    assert 0 < landed < 2000
    ballast.unlink()
    assert run(source, "-o", output, *options) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(texts))


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_an_existing_file_stays_if_the_disk_is_full(
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

    writers = {"npy": NpyWriter, "jsonl": JsonLinesWriter, "parquet": ParquetWriter}
    with monkeypatch.context() as patched:
        patched.setattr(writers[suffix], "join", full)
        code, line = failure(capsys, source, "-o", output, "--overwrite")
    assert code == 1
    assert line == (
        f"{output}: No space left on device; finished rows are kept, and the same command without "
        "--overwrite resumes the job"
    )
    assert output.read_bytes() == before
    assert run(source, "-o", output) == 0
    assert output.read_bytes() != before


def test_a_workspace_is_there_as_long_as_there_is_something_to_resume(tmp_path: Path) -> None:
    workspace = JobWorkspace(tmp_path / "out.npy")
    with workspace.locked() as folder:
        assert folder == tmp_path / "out.npy.incomplete"
    assert not folder.exists()
    with workspace.locked():
        workspace.manifest.touch()
    assert workspace.is_in_progress
    with workspace.locked():
        workspace.mark_done()
    assert not folder.exists()


def test_what_a_kill_in_the_first_shard_leaves_is_of_the_job(tmp_path: Path) -> None:
    workspace = JobWorkspace(tmp_path / "all.jsonl")
    workspace.folder.mkdir()
    assert not workspace.own_files
    (workspace.folder / "lock").touch()
    assert workspace.folder in workspace.own_files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("out.npy.incomplete/precious", "mine"),
        ("out.npy.incomplete", "mine"),
        ("out.npy.manifest.json", '{"mine": 1}'),
        ("out.npy.manifest.json", "[" * 100_000),
        ("out.npy.manifest.json/mine", ""),
        ("out.npy.errors.jsonl", '{"mine": 1}\n'),
        ("out.npy.errors.jsonl", ""),
        ("out.npy.errors.jsonl/mine", ""),
    ],
)
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_what_only_has_the_name_of_a_jobs_file_stays(
    name: str, content: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    (tmp_path / "in.txt").write_text("a text\n")
    assert run(tmp_path / "in.txt", "-o", tmp_path / "out.npy", *options) == 1
    place = tmp_path / name.partition("/")[0]
    assert f"{place} exists, and not from here, and the job needs its name" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == content
    assert not (tmp_path / "out.npy").exists()


def test_what_a_removed_output_leaves_is_replaced(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.npy"
    source.write_text('{"text": null}\n{"text": "one"}\n')
    assert run(source, "-o", output, "--on-error", "skip") == 0
    output.unlink()
    assert run(source, "-o", output, "--on-error", "skip", "--dtype", "float16") == 0
    assert np.load(output).dtype == np.float16


def test_a_folder_that_is_being_emptied_is_the_jobs_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill may come between any two files: the lock, by which the next run knows the folder, goes last."""
    workspace = JobWorkspace(tmp_path / "out.npy")
    left: list[str] = []
    remove = shutil.rmtree

    def recorded(folder: Path, **options: Any) -> None:
        left.extend(path.name for path in folder.iterdir())
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", recorded)
    with workspace.locked() as folder:
        for number in range(9):
            (folder / f"shard{number}").touch()
    assert left == ["lock"]
    assert not folder.exists()


@pytest.mark.parametrize("pattern", ["**/*.jsonl", "**/*"])
def test_after_a_kill_in_the_first_shard_the_same_command_works(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in.jsonl").write_text('{"text": "a"}\n')
    output = tmp_path / "data" / "all.jsonl"
    folder = JobWorkspace(output).folder
    folder.mkdir()
    for name in ("lock", "rows", "errors.jsonl"):  # and no manifest yet
        (folder / name).touch()
    assert run(tmp_path / "data" / pattern, "--format", "jsonl", "-o", output) == 0
    assert output.read_bytes().count(b"\n") == 1
    assert not folder.exists()
