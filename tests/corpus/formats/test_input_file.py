"""minilm/corpus/formats/input_file.py: compressed files and pipes are read like files."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.formats.input_file import Dialect
from minilm.corpus.rows import Corpus
from tests.corpus.running import (
    TEXTS,
    failure,
    run,
)


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


def test_parquet_is_never_text(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "in.txt")
    with pytest.raises(CorpusError, match=r"in\.txt holds Parquet: --format parquet reads it"):
        list(Corpus([str(tmp_path / "in.txt")]))


CONTENT = {
    "txt": "grüße\nпривет\n",
    "jsonl": '{"text": "grüße"}\n"привет"\n',
    "json": '["grüße", {"text": "привет"}]',
    "csv": "text,n\ngrüße,1\nпривет,2\n",
    "tsv": "text\tn\ngrüße\t1\nпривет\t2\n",
}


@pytest.mark.parametrize("kind", list(CONTENT))
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig", "cp1251"])
def test_an_encoding_is_obeyed(kind: str, encoding: str, tmp_path: Path) -> None:
    source, content = tmp_path / f"in.{kind}", CONTENT[kind]
    if encoding == "cp1251":
        content = content.replace("grüße", "да")
    source.write_bytes(content.encode(encoding))
    expected = [content[content.index("да") :][:2] if encoding == "cp1251" else "grüße", "привет"]
    read = Corpus([str(source)], dialect=Dialect(encoding=encoding))
    assert [row.text for row in read] == expected


@pytest.mark.parametrize("kind", list(CONTENT))
@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-16", "--encoding utf-16 reads it"),
        ("utf-32", "--encoding utf-32 reads it"),
        ("utf-16-le", "--encoding utf-16-le reads it"),
        ("utf-16-be", "--encoding utf-16-be reads it"),
        ("utf-32-be", "--encoding utf-32-be reads it"),
    ],
)
def test_text_in_another_encoding_is_named(
    kind: str, encoding: str, named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Also if rows without text are left out: it would become texts full of NUL characters."""
    source = tmp_path / f"in.{kind}"
    source.write_bytes(CONTENT[kind].encode(encoding))
    code, line = failure(capsys, source, "-o", tmp_path / "out.npy", "--on-error", "skip")
    assert (code, line.startswith(f"{source} "), named in line) == (1, True, True)


def test_bytes_that_a_codec_does_not_know_are_a_problem_of_their_row(tmp_path: Path) -> None:
    """Two bytes that ASCII does not have are a letter of UTF-8, and are not taken for it."""
    source = tmp_path / "in.txt"
    source.write_bytes("a\nü\nb\n".encode())
    rows = list(Corpus([str(source)], dialect=Dialect(encoding="ascii")))
    assert [(row.text, row.problem) for row in rows] == [("a", None), (None, "not ascii"), ("b", None)]
    source.write_bytes(b"\xff\xfea\x00\n\x00\x00\xd8b\x00")  # half a pair of UTF-16
    with pytest.raises(CorpusError, match=r"in\.txt: not utf-16 \(see --encoding\): "):
        list(Corpus([str(source)], dialect=Dialect(encoding="utf-16")))


@pytest.mark.parametrize("name", ["klingon", "rot13", "base64", "hex", ""])
def test_an_encoding_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="encoding must be a codec of Python"):
        Dialect(encoding=name)


@pytest.mark.parametrize("delimiter", ["", "ab", "\n", '"', "\0"])
def test_a_delimiter_that_cannot_be_is_refused(delimiter: str) -> None:
    with pytest.raises(ValueError, match="delimiter must be one character"):
        Dialect(delimiter=delimiter)


def test_compressed_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "in.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(CorpusError, match="Parquet is read from its end, not through gzip: unpack it first"):
        list(Corpus([str(tmp_path / "in.parquet.gz")]))


def test_a_damaged_text_of_nul_bytes_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"a\nb\0\n" + b"c\n" * 50)
    rows = list(Corpus([str(tmp_path / "in.txt")]))
    assert [row.problem for row in rows[:3]] == [None, "a NUL byte", None]
