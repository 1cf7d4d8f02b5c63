"""minilm/corpus/identity.py: an input is what its rows say, wherever it lies and whenever it was written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.identity import InputRecord, WatchedInput, file_difference, row_difference
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import Report
from minilm.corpus.rows import Corpus
from tests.corpus.running import begin, failure, run, write_input

REFUSAL = "Take another name, or --overwrite"


def touch(source: Path) -> Path:
    os.utime(source, (1, 1))
    return source


def copy(source: Path) -> Path:
    (source.parent / "again").mkdir()
    return Path(shutil.copy(source, source.parent / "again"))


def rename(source: Path) -> Path:
    return source.rename(source.with_name(f"other{source.suffix}"))


def link(source: Path) -> Path:
    place = source.with_name(f"link{source.suffix}")
    place.symlink_to(source)
    return place


def relative(source: Path) -> Path:
    return Path(os.path.relpath(source))


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("move", [touch, copy, rename, link, relative])
def test_the_same_rows_are_the_same_input(
    kind: str, move: Callable[[Path], Path], model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    source, output, whole = tmp_path / f"in.{kind}", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    write_input(source, kind)
    assert run(source, "-o", whole, "--keep") == 0
    begin(model, [source], output, keep=True)
    moved = move(source)
    code, said = failure(capsys, moved, "-o", output, "--keep")
    assert (code, said.splitlines()[0]) == (0, "going on after 2 rows")
    assert output.read_bytes() == whole.read_bytes()
    # a job that is finished has nothing left to do
    assert failure(capsys, moved, "-o", whole, "--keep") == (0, f"{whole} is complete: 5 rows")


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("same_time", [False, True])
def test_a_byte_of_a_processed_row_is_another_input(
    kind: str, same_time: bool, model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output, whole = tmp_path / f"in.{kind}", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"

    def write(price: float) -> None:
        if kind == "jsonl":
            source.write_text("".join(f'{{"text": "{i}", "price": {price}}}\n' for i in range(5)))
        else:
            pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
            import pyarrow.parquet as pq

            pq.write_table(pa.table({"text": list("01234"), "price": [price] * 5}), source)

    write(1.5)
    before = source.stat()
    assert run(source, "-o", whole, "--keep") == 0
    begin(model, [source], output, keep=True)
    work = (tmp_path / "out.jsonl.incomplete" / "manifest.json").read_bytes()
    write(1.7)
    assert source.stat().st_size == before.st_size
    if same_time:
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(source, (1, 1))
    code, line = failure(capsys, source, "-o", output, "--keep")
    difference = f"{source}: some of the 2 that were read differ"
    assert (code, line) == (1, f"{output} was begun with other rows from {difference}. {REFUSAL}")
    assert (tmp_path / "out.jsonl.incomplete" / "manifest.json").read_bytes() == work
    if not same_time:  # of a finished job only what looks changed is read again
        code, line = failure(capsys, source, "-o", whole, "--keep")
        difference = f"{source}: some of the 5 that were read differ"
        assert (code, line) == (1, f"{whole} was begun with other rows from {difference}. {REFUSAL}")


def test_what_is_untouched_is_not_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.npy"
    write_input(source, "jsonl")
    assert run(source, "-o", output) == 0

    def refuse(*_: object) -> None:
        raise AssertionError("the rows are read")

    monkeypatch.setattr(WatchedInput, "add", refuse)
    assert failure(capsys, source, "-o", output) == (0, f"{output} is complete: 5 rows")


def record(
    name: str, size: int | None = 9, rows: int = 0, sha256: str = "", kind: str = "text"
) -> InputRecord:
    return InputRecord(f"/data/{name}", kind, size, 1, rows, sha256)


@pytest.mark.parametrize(
    ("recorded", "current", "difference"),
    [
        ([record("a", 1200)], [record("a", 1234)], "/data/a has 1,234 bytes and had 1,200 bytes"),
        ([record("a", 12)], [record("b", 34)], "/data/b has 34 bytes and a had 12 bytes"),
        ([record("a")], [record("b")], ""),
        ([record("a")], [record("a", None)], "/data/a has no size and had 9 bytes"),
        ([record("a")], [InputRecord("-", "text", None, None)], "stdin has no size and a had 9 bytes"),
        ([InputRecord("-", "text", None, None)], [record("a")], "/data/a has 9 bytes and stdin had no size"),
        (
            [InputRecord("-", "text", None, None)],
            [InputRecord("-", "csv", None, None)],
            "stdin is read as csv and was read as text",
        ),
        ([record("a")], [record("a", kind="csv")], "/data/a is read as csv and was read as text"),
        ([record("a")], [record("a"), record("b")], "the number of inputs is 2 and was 1 (new: b)"),
        (
            [record("a"), record("b"), record("c")],
            [record("d"), record("c")],
            "the number of inputs is 2 and was 3 (new: d; gone: a, b)",
        ),
        (
            [],
            [record(name) for name in "abcde"],
            "the number of inputs is 5 and was 0 (new: a, b, c and 2 more)",
        ),
        ([record("a")], [record("a"), record("a")], "the number of inputs is 2 and was 1"),
        (
            [record("a", 1), record("b", 2)],
            [record("b", 2), record("a", 1)],
            "the order of the inputs is another, b stands where a was",
        ),
    ],
)
def test_the_input_that_differs_is_named(
    recorded: list[InputRecord], current: list[InputRecord], difference: str
) -> None:
    assert file_difference(recorded, current) == difference


@pytest.mark.parametrize(
    ("recorded", "current", "difference"),
    [
        ([record("a", 9, 5, "x")], [record("b", 9, 5, "x")], ""),
        ([record("a", 9, 5, "x")], [record("a", 9, 5, "y")], "/data/a: some of the 5 that were read differ"),
        ([record("a", 9, 5, "x")], [record("a", 9, 3, "y")], "/data/a: it gives 3 and gave 5"),
        (
            [record("a", 9, 5, "x"), record("b", 9, 5, "y")],
            [record("b", 9, 5, "y"), record("a", 9, 5, "x")],
            "/data/b: the order of the inputs is another, b stands where a was",
        ),
    ],
)
def test_the_rows_that_differ_are_named(
    recorded: list[InputRecord], current: list[InputRecord], difference: str
) -> None:
    assert row_difference(recorded, current) == difference


@pytest.mark.usefixtures("short_shards")
def test_other_files_are_refused_before_they_are_read(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"{name}\ntwo\nthree\n")
    output = tmp_path / "out.npy"
    begin(model, [tmp_path / "a.txt", tmp_path / "b.txt"], output)
    begun = f"{output} was begun with other inputs: "
    with (tmp_path / "b.txt").open("a") as file:  # not yet reached
        file.write("four\n")
    code, line = failure(capsys, tmp_path / "*.txt", "-o", output)
    assert (code, line) == (1, f"{begun}{tmp_path / 'b.txt'} has 21 bytes and had 16 bytes. {REFUSAL}")
    (tmp_path / "c.txt").write_text("c\n")
    code, line = failure(capsys, tmp_path / "*.txt", "-o", output)
    assert (code, line) == (1, f"{begun}the number of inputs is 3 and was 2 (new: c.txt). {REFUSAL}")


def append(source: Path) -> str:
    with source.open("a") as file:
        file.write("more\n")
    return "it has 45 bytes and had 40 bytes"


def replace_file(source: Path) -> str:
    other = source.with_name("new")
    other.write_bytes(source.read_bytes())
    status = source.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(source)
    return "another file has its name"


def write_over(source: Path) -> str:
    source.write_text("line 0x\n" * 5)
    os.utime(source, (1, 1))
    return "it was written to"


def remove(source: Path) -> str:
    source.unlink()
    return "it was removed"


@pytest.mark.usefixtures("short_shards")
@pytest.mark.parametrize("change", [append, replace_file, write_over, remove])
def test_an_input_that_changes_while_it_is_read_is_an_error(
    change: Callable[[Path], str], model: MiniLM, tmp_path: Path
) -> None:
    source, output, whole = (tmp_path / name for name in ("in.txt", "out.jsonl", "whole.jsonl"))
    content = "".join(f"line  {i}\n" for i in range(5))
    source.write_text(content)
    encode_corpus(model, Corpus([str(source)]), whole)
    said: list[str] = []

    def advance(report: Report, position: int) -> None:  # noqa: ARG001 - the signature
        if report.rows == 2:
            said.append(change(source))

    with pytest.raises(CorpusError) as error:
        encode_corpus(model, Corpus([str(source)]), output, advance=advance)
    assert str(error.value).startswith(
        f"{source} changed while it was read: {said[0]}. Finished rows are kept"
    )
    assert not output.exists()
    source.write_text(content)
    seen: list[int] = []
    encode_corpus(model, Corpus([str(source)]), output, advance=lambda report, _: seen.append(report.rows))
    assert seen[0] == 2
    assert output.read_bytes() == whole.read_bytes()


def test_an_input_that_changes_while_its_last_rows_are_encoded_is_an_error(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.txt"
    source.write_text("one\ntwo\n")
    tokenize = model.pipeline.tokenize

    def slow(*arguments: object) -> object:
        append(source)
        return tokenize(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(model.pipeline), "tokenize", lambda _, *arguments: slow(*arguments))
    with pytest.raises(CorpusError, match="it has 13 bytes and had 8 bytes"):
        encode_corpus(model, Corpus([str(source)]), tmp_path / "out.npy")


def test_every_value_of_a_batch_counts(tmp_path: Path) -> None:
    """Arrow's own bytes are hashed: of any type, with its nulls, and with the values of a dictionary."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    columns = {
        "number": pa.array([1, None, 3], pa.int64()),
        "text": pa.array(["x", None, "y"]),
        "category": pa.array(["x", None, "y"]).dictionary_encode(),
        "list": pa.array([[1, None], None, []], pa.list_(pa.int32())),
        "time": pa.array([1, None, 3], pa.time64("ns")),
    }
    others = {
        "number": pa.array([1, None, 4], pa.int64()),
        "text": pa.array(["x", "", "y"]),
        "category": pa.array(["x", None, "z"]).dictionary_encode(),
        "list": pa.array([[1, None], [], []], pa.list_(pa.int32())),
        "time": pa.array([1, None, 4], pa.time64("ns")),
    }

    def sha256_of(table: dict[str, object]) -> str:
        pq.write_table(pa.table({"text column": ["a", "b", "c"], **table}), tmp_path / "in.parquet")
        reader = Corpus([str(tmp_path / "in.parquet")], column="text column", keep=True).read()
        assert len(list(reader)) == 3
        return reader.inputs[0].sha256

    hashes = [sha256_of(columns), *(sha256_of({**columns, name: others[name]}) for name in columns)]
    assert len(set(hashes)) == 1 + len(columns)
    assert sha256_of(columns) == hashes[0]


def test_a_pipe_has_neither_size_nor_time() -> None:
    watched = WatchedInput("-", "text")
    watched.check_unchanged()
    assert watched.record == InputRecord("-", "text", None, None)
    assert (watched.bytes, watched.record.name) == (0, "stdin")
