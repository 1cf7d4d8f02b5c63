"""minilm/corpus/rows.py: every row of the input is a row of the output, or is said to be none."""

from __future__ import annotations

import gzip
import io
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import Report
from minilm.corpus.rows import Corpus
from tests.corpus.running import TEXTS, failure, read_jsonl, run


@pytest.mark.parametrize("rows", [2, 3, 4, 7, 8, 9, 10])
def test_no_row_is_lost_between_windows(
    rows: int, model: MiniLM, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 3)
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
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 3)
    source = tmp_path / "in.jsonl"
    source.write_text('"a"\n"b"\n"c"\nnull\n"d"\n')
    code, line = failure(capsys, source)
    assert (code, line) == (1, f"{source}, line 4: null (--on-error skip or empty goes on)")
    assert run(source, "--on-error", "skip") == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == ["a", "b", "c", "d"]
    assert captured.err == f"minilm: {source}, line 4: null\n"


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


def test_a_damaged_gzip_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "in.txt.gz"
    content = gzip.compress(os.urandom(5000).hex().encode())
    for at in range(10, len(content), 97):  # from behind its header
        source.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        with pytest.raises(CorpusError, match=r"in\.txt\.gz: the compressed data is damaged"):
            list(Corpus([str(source)]))
    assert failure(capsys, source, "-o", tmp_path / "out.npy")[0] == 1


def test_a_damaged_page_names_the_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": [f"text {i} " * 9 for i in range(1000)]}), source, compression="zstd")
    content = bytearray(source.read_bytes())
    content[40:200] = bytes(160)
    source.write_bytes(content)
    code, line = failure(capsys, source, "-o", tmp_path / "out.npy")
    assert (code, line.startswith(f"{source}: ")) == (1, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")
def test_a_pipe_is_read_like_a_file(model: MiniLM, tmp_path: Path) -> None:
    """As the shell's <(...) gives one."""
    pipe, output = tmp_path / "in.txt", tmp_path / "out.npy"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_text, args=("\n".join(TEXTS),))
    thread.start()
    assert run(pipe, "-o", output) == 0
    thread.join()
    np.testing.assert_array_equal(np.load(output), model.encode(TEXTS))


def test_a_file_whose_first_row_has_no_text_follows_on_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sources = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    sources[0].write_text('{"text": "one"}\n')
    sources[1].write_text('{"id": 1}\n{"text": "two"}\n')
    output = tmp_path / "out.jsonl"
    assert run(*sources, "-o", output, "--on-error", "skip") == 0
    assert [row["text"] for row in read_jsonl(output)] == ["one", "two"]
    [listed] = read_jsonl(tmp_path / "out.jsonl.errors.jsonl")
    assert listed["problem"] == "no column 'text'; its columns are: id"
    assert failure(capsys, *sources, "-o", tmp_path / "o.npy")[0] == 1


@pytest.mark.parametrize("on_error", ["skip", "empty"])
def test_a_column_that_no_row_has_is_a_mistake(
    on_error: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.npy"
    source.write_text('{"id": 1}\n{"id": 2, "text": "a"}\n')
    code, line = failure(capsys, source, "-o", output, "--column", "txet", "--on-error", on_error)
    message = f"no row has a column 'txet': {source}, line 1: no column 'txet'; its columns are: id"
    assert (code, line) == (1, f"{message} (--column NAME)")
    assert not output.exists()
    assert run(source, "-o", output, "--on-error", on_error, "--column", "text", "--overwrite") == 0


def test_the_column_is_the_same_wherever_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain\n")
    (tmp_path / "b.jsonl").write_text('"bare"\nnot JSON\n{"body": "x"}\n{"text": "y", "body": "z"}\n')
    sources = [str(tmp_path / name) for name in ("a.txt", "b.jsonl")]
    assert Corpus(sources).find_column() == "body"
    corpus = Corpus(sources)
    assert [row.text for row in corpus] == ["plain", "bare", None, "x", "z"]
    assert corpus.column == "body"
    assert Corpus(sources[:1]).find_column() is None


@pytest.mark.parametrize("show", ["--progress", "--no-progress"])
@pytest.mark.parametrize("to", [[], ["-o", "out.npy"]])
def test_progress_is_told_on_stderr_if_it_is_asked_for(
    show: str,
    to: Sequence[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("one two\n" * 100)  # 800 bytes
    assert run("in.txt", *to, show) == 0
    told = capsys.readouterr().err
    assert ("Encoding: 100%" in told and "800/800" in told) == (show == "--progress")
    assert ("texts/s, " in told and "tokens/s" in told) == (show == "--progress")


def test_progress_is_what_has_landed(model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.corpus.job.WINDOW_TEXTS", 2)
    source = tmp_path / "in.txt"
    source.write_text("one\n" * 5)  # 20 bytes
    corpus = Corpus([str(source)])
    told: list[tuple[int, int]] = []
    stop = threading.Event()

    def advance(report: Report) -> None:
        told.append((report.rows, corpus.position))
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


def test_an_output_without_a_name_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    assert failure(capsys, tmp_path / "in.txt", "-o", "") == (2, "--output is empty: give the file to write")
