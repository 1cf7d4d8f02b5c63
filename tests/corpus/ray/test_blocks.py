"""minilm/corpus/ray/blocks.py: every row is in one block of any size, and an actor encodes a block once."""

from __future__ import annotations

import gzip
import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import CorpusError, MiniLM
from minilm.corpus.formats.input_file import Dialect
from minilm.corpus.formats.json_values import json_rows
from minilm.corpus.formats.row import Row
from minilm.corpus.manifest import JobOptions
from minilm.corpus.paths import InputPath
from minilm.corpus.ray.blocks import BlockEncoder, BlockTask, cut_blocks
from minilm.corpus.rows import Corpus
from minilm.hub import sha256_of_files

# blank lines, a byte order mark at the beginning and where it is none, bytes that are no UTF-8
PIECES = [
    b"",
    b"a",
    b'"text"',
    b'{"text": "b"}',
    b'{"text": null}',
    b"\xef\xbb\xbf",
    b"\xff",
    b"\r",
    b"x" * 30,
]


def rows_of(corpus: Corpus, block_bytes: int) -> list[Row]:
    """The rows of all blocks, numbered as those of whole files are."""
    rows: list[Row] = []
    before, file = 0, -1
    for block in cut_blocks(corpus, block_bytes):
        before, file = (before, file) if block.input == file else (0, block.input)
        part = corpus.part(block.input, block.span).read()
        rows += [row._replace(line=row.line + before) for row in part]
        before += part.lines
    return rows


@settings(deadline=None)  # the disk is no part of the property
@given(
    pieces=st.lists(st.sampled_from(PIECES)),
    ends=st.booleans(),
    kind=st.sampled_from(["text", "jsonl"]),
    block_bytes=st.integers(1, 40),
)
def test_every_line_is_in_one_block(
    pieces: list[bytes],
    ends: bool,
    kind: str,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("lines") / "in"
    path.write_bytes(b"\n".join(pieces) + b"\n" * ends)
    corpus = Corpus([str(path)], format=kind, column="text")
    assert rows_of(corpus, block_bytes) == list(corpus)
    assert sum(block.size for block in cut_blocks(corpus, block_bytes)) == path.stat().st_size


@pytest.mark.parametrize("row_group", [1, 7, 1000])
@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_every_row_of_a_parquet_file_is_in_one_block(
    row_group: int, block_bytes: int, tmp_path: Path
) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    for name, rows in (("a", 50), ("b", 0), ("c", 3)):
        table = pa.table(
            {"text": pa.array([f"{name} {i}" for i in range(rows)], pa.string()), "n": range(rows)}
        )
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=row_group)
    corpus = Corpus([str(tmp_path / "*.parquet")], column="text", keep=True)
    whole = [(*row[:4], *json_rows([row.other_columns])) for row in corpus]
    assert len(whole) == 53
    assert [(*row[:4], *json_rows([row.other_columns])) for row in rows_of(corpus, block_bytes)] == whole
    assert len(cut_blocks(corpus, 1)) == 50 + 1 + 3


def test_a_file_that_cannot_be_cut_is_one_block(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,n\n"two\nlines",1\nb,2\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "c"}\n' * 9))
    (tmp_path / "c.txt").write_text("d\n" * 9)
    corpus = Corpus([str(tmp_path / "*.*")], column="text", keep=True)
    blocks = cut_blocks(corpus, 6)
    assert [(block.input, block.span) for block in blocks] == [
        (0, None),
        (1, None),
        (2, (0, 6)),
        (2, (6, 12)),
        (2, (12, 18)),
    ]
    assert [block.number for block in blocks] == list(range(5))
    assert rows_of(corpus, 6) == list(corpus)


def test_a_later_block_may_lack_a_column(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "a"}), json.dumps({"other": "b"}), json.dumps({"text": "c"})]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    corpus = Corpus([str(tmp_path / "in.jsonl")], column="text")
    assert [row.text for row in rows_of(corpus, 1)] == ["a", None, "c"]
    assert rows_of(corpus, 1) == list(corpus)


def test_an_error_on_a_machine_reaches_the_driver(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    corpus = Corpus([str(tmp_path / "in.jsonl")], column="text")
    for name in ("parts", "records", "unfinished"):
        (tmp_path / name).mkdir()
    weights = {"model_name_or_path": str(model.checkpoint.directory)}
    digests = sha256_of_files(model.checkpoint)
    gone = Corpus([InputPath(str(tmp_path / "gone"))], format="jsonl", column="text")

    def record(**others: Any) -> dict[str, Any]:
        task = {
            "folder": tmp_path,
            "corpus": corpus,
            "inputs": corpus.identity(),
            "blocks": cut_blocks(corpus),
            "loading": weights,
            "sha256": digests,
            "settings": {"max_seq_length": 256, "normalize": True, "truncate_dim": None},
            "output_column": "text",
            "known": None,
            "options": JobOptions(),
            "width": 384,
            "prompt": "",
        }
        encoder = BlockEncoder(BlockTask(**{**task, **others}))
        return encoder(0)

    others = {**digests, "tokenizer.json": "0", "2_Dense/config.json": "0"}  # one that is not here at all
    assert record(sha256=others)["failure"].endswith("2_Dense/config.json differs from the driver's")
    others = {name: digest for name, digest in digests.items() if name != "modules.json"}
    assert record(sha256=others)["failure"].endswith("modules.json differs from the driver's")
    assert "every machine must see the output" in record(folder=tmp_path / "elsewhere")["failure"]
    assert "no_such_model" in record(loading={"model_name_or_path": "./no_such_model"})["failure"]
    here = socket.gethostname()  # named where the machine may be to blame, and not the rows
    failure = record(corpus=gone)["failure"]
    assert failure.startswith(here)
    assert "No such file" in failure
    longer = [replace(corpus.identity()[0], bytes=99)]
    source = tmp_path / "in.jsonl"
    size = f"has {source.stat().st_size} bytes and had 99 bytes when the job began"
    assert record(inputs=longer)["failure"] == f"{here}: {source} {size}"
    with monkeypatch.context() as patch:
        patch.setattr(BlockEncoder, "_encode", Mock(side_effect=CorpusError("in.jsonl: a bad row")))
        assert record() == {"block": 0, "failure": "in.jsonl: a bad row"}
    (tmp_path / "stop").touch()
    assert record() == {"block": 0, "stopped": True}
    (tmp_path / "stop").unlink()
    done = record()
    assert (done["rows"], done["lines"], done["errors"]) == (1, 1, 0)
    assert record(corpus=gone) == done  # it has a record, so that nothing is read
    assert not list((tmp_path / "unfinished").iterdir())
    (tmp_path / "parts" / "part-00000000.parquet").write_bytes(b"half")
    assert record() == done
    assert (tmp_path / "parts" / "part-00000000.parquet").stat().st_size == done["bytes"]


def test_every_setting_reaches_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("data") / "lang=de"
    folder.mkdir(parents=True)
    (folder / "a.tsv").write_bytes('1;"a\n2;b\n'.encode("utf-16"))
    (folder / "b.jsonl").write_bytes('{"1": "c"}\n{"1": "d"}\n'.encode("utf-16"))
    dialect = Dialect(encoding="utf-16", delimiter=";", header=False, quoting=False)
    corpus = Corpus(["data/**/*.*"], column="1", keep=True, dialect=dialect).resolved("1")
    expected = [('"a', {"0": "1", "lang": "de"}), ("b", {"0": "2", "lang": "de"})]
    expected += [("c", {"lang": "de"}), ("d", {"lang": "de"})]
    monkeypatch.chdir(tmp_path.parent)  # an actor runs in another folder
    assert [(row.text, row.other_columns) for row in rows_of(corpus, 3)] == expected
    assert [block.span for block in cut_blocks(corpus, 3)] == [
        None,
        None,
    ]  # not cut: its newlines have two bytes
