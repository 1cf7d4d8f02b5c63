"""Which documents a folder, a pattern, a file and a table stand for."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from minilm.corpus.formats.json_values import values_of
from minilm.documents import metadata
from minilm.documents.content import Unreadable
from minilm.documents.find import Candidate, TableColumns, find_documents, is_below
from minilm.documents.metadata import MetadataRows
from minilm.errors import CorpusError


def write(folder: Path, **texts: str) -> None:
    """Write files, whose names have _ in place of the last dot, and __ in place of a slash."""
    for name, text in texts.items():
        path = folder / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def text_of(found: object) -> str:
    """Return the text of a document; no other one may have been found since."""
    assert isinstance(found, Candidate)
    return "".join(stretch.text for stretch in found.read().stretches)


def found_paths(paths: list[str], columns: TableColumns | None = None) -> list[object]:
    found = find_documents(paths, columns or TableColumns())
    return [item.path if isinstance(item, Candidate) else item for item in found]


def test_a_folder_stands_for_its_files_of_known_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        docs__b10_md="b",
        docs__b2_md="b",
        docs__in__a_txt="a",
        docs__x_png="x",
        docs__t_csv="text\na",
    )
    write(tmp_path / "docs" / ".git", config_txt="hidden")
    monkeypatch.chdir(tmp_path)
    assert found_paths(["docs"]) == ["docs/b10.md", "docs/b2.md", "docs/in/a.txt"]
    assert found_paths(["docs/", "docs/b2.md"])[1] == "docs/b2.md"  # once
    assert len(found_paths(["docs", "docs/b2.md"])) == 3
    assert found_paths(["docs/*.md"]) == ["docs/b2.md", "docs/b10.md"]


def test_a_file_that_is_named_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("free")
    found = next(items := find_documents([str(tmp_path / "LICENSE")], TableColumns()))
    assert isinstance(found, Candidate)
    assert text_of(found) == "free"
    assert [*items] == []
    assert found.document == str(tmp_path.resolve() / "LICENSE")


def test_the_rows_of_a_table_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,body,year\na,First text,1999\nb,Second text,2001\n")
    first, second = find_documents([str(path)], TableColumns("body", "key"))
    assert isinstance(first, Candidate)
    assert isinstance(second, Candidate)
    assert first.document == f"{path.resolve()}#a"
    assert second.metadata == {"key": "b", "year": "2001"}
    assert text_of(second) == "Second text"
    assert first.sha256 != second.sha256
    with pytest.raises(CorpusError, match=r"no column 'nope' beside the text \(--id NAME\)"):
        found_paths([str(path)], TableColumns("body", "nope"))


def test_the_rows_of_parquet_are_documents(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow as pa

    pq.write_table(pa.table({"text": ["one", None, "three"], "n": [1, 2, 3]}), tmp_path / "t.parquet")
    one, null, three = find_documents([str(tmp_path / "t.parquet")], TableColumns(id="n"))
    assert isinstance(one, Candidate)
    assert isinstance(three, Candidate)
    assert (MetadataRows("t.parquet").of(one.metadata), three.document[-2:]) == ({"n": 1}, "#3")
    assert isinstance(null, Candidate)
    with pytest.raises(Unreadable, match="null"):
        null.read()


def test_every_digit_of_a_value_counts_in_the_sha256(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow as pa

    def hashes(values: object) -> list[str]:
        pq.write_table(pa.table({"text": ["same"] * len(values), "v": values}), tmp_path / "t.parquet")  # type: ignore[arg-type]
        found = [*find_documents([str(tmp_path / "t.parquet")], TableColumns())]
        return [item.sha256 for item in found if isinstance(item, Candidate)]

    for kind in (pa.time64("ns"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.list_(pa.time64("ns"))):
        values = [[1], [5], [900]] if pa.types.is_list(kind) else [1, 5, 900]
        assert len(set(hashes(pa.array(values, kind)))) == 3
    nan, inf = float("nan"), float("inf")
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        assert len(set(hashes(pa.array([nan, inf, -inf, None, 0.0], pa.float64()).cast(kind)))) == 5
    assert len(set(hashes(pa.array([b"\xff", b"\xfe", None])))) == 3
    assert len(set(hashes(pa.array([4_000_000, 4_000_001], pa.date32())))) == 2


def test_the_rows_of_a_batch_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    import pyarrow as pa

    calls: list[int] = []
    convert = values_of

    def counted(array: Any) -> list[Any]:
        calls.append(len(array))
        return convert(array)

    monkeypatch.setattr(metadata, "values_of", counted)
    pq.write_table(pa.table({"text": ["a"] * 2000, "n": range(2000)}), tmp_path / "t.parquet")
    assert len([*find_documents([str(tmp_path / "t.parquet")], TableColumns())]) == 2000
    assert calls == [1024, 976]


def test_a_compressed_table_gives_its_rows_and_a_damaged_one_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"key,text\na,First text\n"))
    (tmp_path / "b.csv").write_bytes(b"\0" * 500)
    row, damaged = find_documents([str(tmp_path / "*")], TableColumns(id="key"))
    assert isinstance(row, Candidate)
    assert row.path == f"{tmp_path / 'a.csv.gz'}#a"
    assert isinstance(damaged, tuple)
    assert damaged[0] == str(tmp_path / "b.csv")
    assert damaged[1].startswith("is full of NUL bytes: --encoding")
    assert damaged[1].endswith("(an option of minilm encode; convert the file first)")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"a;b\n1;2\n", "--delimiter ';' divides it"),
        ("t.csv", b'text\n"never closed\n', "--no-quoting"),
        ("t.csv", b'"text"x\nFirst text\n', "--no-quoting"),
        ("t.csv", b"PAR1\x15\x00", "--format parquet reads it"),
        ("t.jsonl", b'["First text"]\n', "--format json reads it"),
        ("t.jsonl", "[]".encode("utf-16"), "--encoding utf-16 reads it"),
        ("--format.csv", b"te\0xt\nFirst text\n", None),  # the name is no reason
    ],
)
def test_a_table_that_minilm_encode_would_read_with_an_option_is_to_be_converted(
    name: str, content: bytes, reason: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    [(_, said)] = [
        item for item in find_documents([str(tmp_path / name)], TableColumns()) if isinstance(item, tuple)
    ]
    assert said.endswith("(an option of minilm encode; convert the file first)") == (reason is not None)
    assert (reason or "a NUL byte") in said


def test_a_damaged_table_is_told_from_a_wrong_column_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a --column.csv"
    path.write_bytes(b"\0" * 500)
    [damaged] = find_documents([str(path)], TableColumns("text"))
    assert isinstance(damaged, tuple)
    path.write_text("body\nFirst text\n")
    with pytest.raises(CorpusError, match=r"has no column 'text'; its columns are: body \(--column NAME\)"):
        found_paths([str(path)], TableColumns("text"))


def test_what_gives_no_document_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("\n \n")
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    found = find_documents([str(tmp_path)], TableColumns())
    with pytest.raises(Unreadable, match="it has no text"):
        text_of(next(found))
    [loop] = found
    assert loop == (str(tmp_path / "loop.md"), os.strerror(40))
    with pytest.raises(FileNotFoundError):
        found_paths([str(tmp_path / "none")])
    with pytest.raises(CorpusError, match="no file matches"):
        found_paths([str(tmp_path / "*.rst")])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")
def test_a_pipe_in_a_folder_is_left_out_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    write(tmp_path, note_md="a note")
    for given in (tmp_path, tmp_path / "*.*"):
        problems = [item for item in find_documents([str(given)], TableColumns()) if isinstance(item, tuple)]
        assert problems == [(str(tmp_path / "pipe.txt"), "it is a pipe or a device")]


def test_a_url_is_read_through_fsspec() -> None:
    import fsspec

    with fsspec.open("memory://notes/a.md", "w") as file:
        file.write("# From memory")
    found = next(items := find_documents(["memory://notes/*.md"], TableColumns()))
    assert isinstance(found, Candidate)
    assert text_of(found) == "# From memory"
    assert [*items] == []
    assert found.document.endswith("notes/a.md")
    assert is_below(found.document, found.document.rpartition("/")[0])
    with fsspec.open("memory://notes/a.bin", "w") as file:
        file.write("not of a known kind")
    assert found_paths(["memory://notes"]) == [found.path]


def test_a_row_whose_id_is_null_or_taken_is_named(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    rows = ['{"id": 1, "text": "a"}', '{"id": "1", "text": "b"}', '{"id": null, "text": "c"}']
    table.write_text("\n".join(rows))
    first, *others = find_documents([str(table)], TableColumns(id="id"))
    assert isinstance(first, Candidate)
    assert first.document.endswith("#1")
    assert others == [
        (f"{table}, line 2", "its id '1' is that of an earlier row"),
        (f"{table}, line 3", "its id is null"),
    ]


def test_a_home_is_expanded_in_the_source_of_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.md").write_text("A note.\n")
    [found] = find_documents(["~/*.md"], TableColumns())
    assert isinstance(found, Candidate)
    assert found.source == str(tmp_path.resolve() / "*.md")
