"""minilm/corpus/ray/blocks.py: every row is in exactly one block, whatever the size of a block."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm.corpus.formats.row import Row
from minilm.corpus.ray.blocks import cut_blocks
from minilm.corpus.rows import Corpus

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
        path, kind = corpus.paths[block.input], corpus.formats[block.input]
        part = Corpus([path], format=kind, column=corpus.column, keep=corpus.keep, span=block.span).read()
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
    whole = list(corpus)
    assert len(whole) == 53
    assert rows_of(corpus, block_bytes) == whole
    assert len(cut_blocks(corpus, 1)) == 50 + 1 + 3


def test_what_cannot_be_cut_is_one_block(tmp_path: Path) -> None:
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


def test_a_column_that_a_later_block_lacks_is_no_error(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "a"}), json.dumps({"other": "b"}), json.dumps({"text": "c"})]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    corpus = Corpus([str(tmp_path / "in.jsonl")], column="text")
    assert [row.text for row in rows_of(corpus, 1)] == ["a", None, "c"]
    assert rows_of(corpus, 1) == list(corpus)
