"""minilm/corpus: every format in and out, rows that are no text, going on after any stop, exact search."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.index import Index
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import is_under_way, working_on
from minilm.corpus.rows import Corpus
from tests.corpus.running import TEXTS, failure, read_jsonl, run, write_input

# Each distinct text is encoded with other neighbours: under AVX-512 kernels the same bits, else within this.
BOUND = 3e-7

KILLS = int(os.environ.get("MINILM_KILLS", "8"))  # more of them by hand


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv", "tsv", "parquet"])
def test_every_format_is_read(kind: str, model: MiniLM, tmp_path: Path) -> None:
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.npy"
    write_input(source, kind)
    assert run(source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))
    assert np.load(output, mmap_mode="r").dtype == np.float32
    assert not (tmp_path / "out.npy.incomplete").exists()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_compressed_files_are_read(kind: str, suffix: str, model: MiniLM, tmp_path: Path) -> None:
    plain, source, output = tmp_path / "in", tmp_path / f"in.{kind}{suffix}", tmp_path / "out.npy"
    write_input(plain, kind)
    if suffix == ".gz":
        source.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        with pa.CompressedOutputStream(str(source), "zstd") as file:
            file.write(plain.read_bytes())
    assert run(source, "-o", output) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorpusError, match="the compressed data is damaged"):
        list(Corpus([str(source)]))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_other_columns_come_along(kind: str, model: MiniLM, tmp_path: Path) -> None:
    write_input(tmp_path / "in.jsonl", "jsonl")
    output = tmp_path / f"out.{kind}"
    assert run(tmp_path / "in.jsonl", "-o", output, "--keep") == 0
    if kind == "jsonl":
        rows = read_jsonl(output)
    else:
        pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
        table = pq.read_table(output)
        assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[384]"
        assert str(table.schema.field("id").type) == "int64"
        rows = table.to_pylist()
    assert [(row["id"], row["text"]) for row in rows] == list(enumerate(TEXTS))
    # float32 to decimal and back is exact
    np.testing.assert_array_equal(
        np.array([row["embedding"] for row in rows], np.float32), model.encode(TEXTS)
    )


def test_parquet_columns_keep_their_types(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    columns = {
        "small": pa.array([1, None], pa.int8()),
        "text": pa.array(["a", "b"], pa.large_string()),
        "half": pa.array([0.5, 1.5], pa.float32()),
        "at": pa.array([0, 10**15], pa.timestamp("us", "UTC")),
        "tags": pa.array([["x"], []], pa.list_(pa.string())),
        "nothing": pa.array([None, None], pa.int16()),
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "in.parquet")
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--keep") == 0
    others = [name for name in columns if name != "text"]
    assert pq.read_table(tmp_path / "out.parquet").select(others).equals(table.select(others))


def test_columns_are_those_of_the_first_rows_with_a_text(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 2)
    rows: list[dict[str, Any]] = [{"text": None}] * 4 + [{"text": f"t{i}", "n": i} for i in range(4)]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(source, "-o", output, "--keep", "--on-error", "skip") == 0
    assert [(row["text"], row["n"]) for row in pq.read_table(output).to_pylist()] == [
        (f"t{i}", i) for i in range(4)
    ]
    with source.open("a") as file:
        file.write(json.dumps({"text": "late", "m": 1}))
    assert run(source, "-o", tmp_path / "late.jsonl", "--keep", "--on-error", "skip") == 0
    assert read_jsonl(tmp_path / "late.jsonl")[-1]["m"] == 1
    code, line = failure(capsys, source, "-o", tmp_path / "late.parquet", "--keep", "--on-error", "skip")
    assert code == 1
    assert "column 'm' cannot be kept: no row had it" in line


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


def test_dedupe_encodes_each_text_once(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    texts = [f"text {i % 700}" for i in range(10_000)]  # three shards
    source.write_text("\n".join(texts))
    assert run(source, "-o", output, "--dedupe") == 0
    assert "700 distinct of 10,000 texts were encoded" in capsys.readouterr().err
    np.testing.assert_allclose(np.load(output), model.encode(texts), rtol=0, atol=BOUND)


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


def test_parquet_rows_that_are_no_text(model: MiniLM, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({"text": pa.array([b"good", None, b"\xff"], pa.binary())}), tmp_path / "in.parquet"
    )
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.npy", "--on-error", "skip") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), model.encode(["good"]))
    assert [row["line"] for row in read_jsonl(tmp_path / "out.npy.errors.jsonl")] == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("in.csv", b"a,b\n1,2\n", [], "several columns and none called 'text'; its columns are: a, b"),
        (
            "in.csv",
            b"a,b\n1,2\n",
            ["--column", "c"],
            "has no column 'c'; its columns are: a, b (--column NAME)",
        ),
        (
            "in.jsonl",
            b'{"a": 1, "b": 2}\n',
            ["--column", "c"],
            "line 1: no column 'c'; its columns are: a, b",
        ),
        (
            "in.xlsx",
            b"PK",
            [],
            "the name does not say what it holds; --format text|jsonl|csv|tsv|parquet does",
        ),
        ("in.parquet", b"PAR1 no", [], "in.parquet: "),
    ],
)
def test_inputs_that_cannot_be_read(
    name: str,
    content: bytes,
    options: Sequence[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / name).write_bytes(content)
    code, line = failure(capsys, tmp_path / name, "-o", tmp_path / "out.npy", *options)
    assert code == 1
    assert message in line
    assert failure(capsys, tmp_path / "no*.txt", "-o", tmp_path / "o.npy")[1].startswith("no file matches")


@pytest.mark.parametrize("option", [["--column", "text"], ["--keep"]])
def test_plain_text_has_no_columns(
    option: Sequence[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Or else CSV that comes through stdin, or as .txt, would be encoded row by row, commas and all."""
    (tmp_path / "in.txt").write_text("id,text\n1,a b c\n")
    code, line = failure(capsys, tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", *option)
    message = f"{option[0]} is for input that has columns, and this is read as plain text (see --format)"
    assert (code, line) == (2, message)
    assert not (tmp_path / "out.jsonl").exists()
    assert run(tmp_path / "in.txt", "-o", tmp_path / "out.jsonl", *option, "--format", "csv") == 0
    assert read_jsonl(tmp_path / "out.jsonl")[0]["text"] == "a b c"


def test_another_job_is_not_mixed_in(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    write_input(source, "txt")
    output.write_bytes(b"mine")
    code, line = failure(capsys, source, "-o", output)
    assert (code, output.read_bytes()) == (1, b"mine")
    assert "exists, and not from here: take another name, or --overwrite" in line
    assert run(source, "-o", output, "--overwrite") == 0
    before = output.stat().st_mtime_ns
    assert failure(capsys, source, "-o", output) == (0, "")  # done already
    assert output.stat().st_mtime_ns == before
    code, line = failure(capsys, source, "-o", output, "--dtype", "float16", "--max-seq-length", "9")
    assert code == 1
    assert "dtype was 'float32' and is 'float16'; max_seq_length was 256 and is 9" in line
    source.write_text("changed\n")
    assert "the input is another, or has changed" in failure(capsys, source, "-o", output)[1]


def test_what_is_there_stays_until_what_replaces_it_is_whole(
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
    with working_on(output):
        code, line = failure(capsys, source, "-o", output, "--overwrite", "--on-error", "skip")
        assert (code, line) == (1, f"{output} is being written by another process")
        assert output.read_bytes() == before
    # one that is interrupted goes on, and then takes its place, errors and all
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 1)
    source.write_text('{"text": "three"}\n{"text": "four"}\n')
    stop = threading.Event()
    stop.set()
    report = encode_corpus(model, Corpus([str(source)]), output, overwrite=True, stop=stop)
    assert (report.inputs, output.read_bytes()) == (1, before)
    assert is_under_way(output)
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
        message = f"{source} is an input, and would be written over: take another name than {output}"
        assert (code, line) == (1, message)
        assert source.read_text() == '{"text": "one"}\n'


def test_other_rows_from_stdin_are_another_job(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(*lines: str) -> None:
        raw = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))

    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 2)
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
    assert failure(capsys, "-", "-o", output) == (0, "")  # done already
    for other in (["one", "two"], ["one", "two", "three", "four"], ["three", "two", "one"]):
        give(*other)
        assert failure(capsys, "-", "-o", output) == (1, refusal)
    give("four")
    assert run("-", "-o", output, "--overwrite") == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["four"]))


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
            f"{source}, line {line}: a quote is opened in this row and never closed",
        )


@pytest.mark.parametrize("options", [["-o", "out.jsonl"], ["-o", "out.parquet"], []])
def test_a_text_in_a_column_called_as_that_of_the_vectors_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text('{"embedding": "one", "text": "two"}\n')
    message = "a column of the input is called 'embedding', as that of the vectors is"
    assert failure(capsys, "in.jsonl", "--column", "embedding", *options) == (1, message)
    assert failure(capsys, "in.jsonl", "--keep", *options) == (1, message)
    assert run("in.jsonl", "--column", "embedding", "-o", "out.npy") == 0  # which has no columns


def corpus_of(path: Path, rows: int) -> None:
    """Short texts, a hundredth of them no text, a tenth of them twice."""
    generator = random.Random(0)
    with path.open("w") as file:
        for i in range(rows):
            number = generator.randrange(rows) if i % 10 == 0 else i
            file.write(json.dumps({"n": i, "text": None if i % 100 == 7 else f"text {number}"}) + "\n")


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_a_full_disk_or_a_stop_loses_nothing(
    suffix: str, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 64)
    source, whole, broken = tmp_path / "in.jsonl", tmp_path / f"whole.{suffix}", tmp_path / f"broken.{suffix}"
    corpus_of(source, 1000)

    def encode(output: Path) -> None:
        corpus = Corpus([str(source)], keep=suffix != "npy")
        encode_corpus(model, corpus, output, on_error="skip", dedupe=True)

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
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 512)
    source, output, ballast = small_disk.parent / "in.txt", small_disk / "out.npy", small_disk / "ballast"
    texts = [f"text {i}" for i in range(2000)]  # 2.9 MiB of vectors
    source.write_text("\n".join(texts))
    ballast.write_bytes(bytes(6 << 20))
    code, message = failure(capsys, source, "-o", output, *options)
    assert (code, output.exists()) == (1, False)
    assert message.startswith(f"{output}: ")
    reasons = r"(No space left on device|database or disk is full)"
    assert re.fullmatch(
        f"{reasons}; what has landed is kept, and the same command goes on",
        message.removeprefix(f"{output}: "),
    )
    landed = json.loads((small_disk / "out.npy.incomplete" / "manifest.json").read_text())["report"]["inputs"]
    assert 0 < landed < 2000
    ballast.unlink()
    assert run(source, "-o", output, *options) == 0
    np.testing.assert_array_equal(np.load(output), model.encode(texts))


def start(source: Path, output: Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own, in shards of 64 rows, so that there are many moments."""
    program = "import minilm.corpus.job as job, sys\nfrom minilm.cli.main import main\n"
    program += "job.WINDOW_TEXTS = 64\nsys.exit(main())"
    options = ["encode", str(source), "-o", str(output), "--on-error", "skip", "--dedupe"]
    keep = ["--keep"] if output.suffix != ".npy" else []
    return subprocess.Popen([sys.executable, "-c", program, *options, *keep], stderr=subprocess.DEVNULL)


def assert_same(mine: Path, theirs: Path) -> None:
    assert mine.read_bytes() == theirs.read_bytes()
    for name in ("errors.jsonl", "manifest.json"):
        a, b = (path.with_name(f"{path.name}.{name}").read_text() for path in (mine, theirs))
        assert a == b


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
def test_ctrl_c_lands_the_rows_in_hand(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    source.write_text("".join(f"some text {i}\n" for i in range(40_000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "minilm", "encode", str(source), "-o", str(output)], stderr=subprocess.PIPE
    )
    manifest = tmp_path / "out.npy.incomplete" / "manifest.json"
    while not manifest.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    lines = process.stderr.read().decode().splitlines()
    process.stderr.close()
    assert process.wait() == 130
    landed = json.loads(manifest.read_text())["report"]["inputs"]
    assert 0 < landed < 40_000
    assert lines[-1] == f"minilm: interrupted after {landed:,} rows; the same command goes on from there"


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_search_is_exact(
    suffix: str,
    model: MiniLM,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    texts = [
        f"a text about {word} {i % 40}" for i in range(120) for word in ("cats", "money", "rain")
    ]  # thrice
    source, index = tmp_path / "in.txt", tmp_path / f"index.{suffix}"
    source.write_text("\n".join(texts))
    assert run(source, "-o", index) == 0
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 50)
    queries = ["a kitten", "dollars", "a text about cats 7"]
    assert main(["search", str(index), *queries, "-k", "5", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["query"] for answer in answers] == queries
    vectors = model.encode(texts)
    for query, answer in zip(queries, answers, strict=True):
        scores = vectors @ model.encode(query)
        expected = np.sort(scores)[::-1][:5]
        found = [hit["score"] for hit in answer["hits"]]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose([scores[hit["row"]] for hit in answer["hits"]], found, rtol=0, atol=1e-6)
        if suffix != "npy":
            assert all(hit["text"] == texts[hit["row"]] for hit in answer["hits"])
    assert main(["search", str(index), "dollars", "-k", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"{answers[1]['hits'][0]['score']:.4f}  ")
    assert main(["search", str(index)]) == 2
    assert "no query" in capsys.readouterr().err
    assert main(["search", str(index), "x", "-k", "1000", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hits"]) == len(texts)


def test_of_equal_scores_the_earlier_row_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 7)
    vectors = np.random.default_rng(0).integers(-2, 3, (100, 4)).astype(np.float32)  # products are exact
    np.save(tmp_path / "index.npy", vectors)
    queries = np.eye(4, dtype=np.float32)
    for k in (1, 5, 30, 100):
        for query, hits in zip(queries, Index(tmp_path / "index.npy").search(queries, k), strict=True):
            order = np.argsort(-(vectors @ query), kind="stable")[:k]
            assert [hit.row for hit in hits] == order.tolist()


def test_an_index_of_another_model_is_refused(model: MiniLM, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((3, 5), np.float32))
    with pytest.raises(CorpusError, match="5 components, the queries' 384"):
        Index(tmp_path / "other.npy").search(model.encode(["a"]), 1)
    (tmp_path / "bad.npy").write_bytes(b"no")
    with pytest.raises(CorpusError, match=r"bad\.npy"):
        Index(tmp_path / "bad.npy").search(model.encode(["a"]), 1)
