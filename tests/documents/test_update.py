"""Updates: what is encoded, removed and kept, in one transaction, also where a process is killed."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import Documents, MiniLM, split
from minilm.documents import search, update
from minilm.documents.spool import Spool
from minilm.documents.update import UpdateReport
from minilm.errors import CorpusError
from tests.documents.killed import killed_update
from tests.documents.pdfs import pdf_of

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

KILLS = int(os.environ.get("MINILM_KILLS", "4"))
GUIDE = "# Guide\n\nHow to begin.\n\n## Passwords\n\nPasswords are reset at the front desk.\n\n"


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three documents, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    (folder / "guide.md").write_text(GUIDE)
    (folder / "deep" / "lunch.txt").write_text("The canteen opens at noon.\r\nOn Fridays there is fish.\r\n")
    (folder / "long.txt").write_text("\n".join(f"Line {n} of the minutes was read." for n in range(60)))
    return folder


def rows_of(place: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lancedb.connect(place).open_table("pieces").to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["document"], row["piece"]))


def check_holds(place: Path, folder: Path, model: MiniLM) -> None:
    """The table has the pieces of each file of the folder, each with its place and vector, and no others."""
    rows = rows_of(place)
    assert len({row["piece_id"] for row in rows}) == len(rows)
    files = {str(path.resolve()): path for path in folder.rglob("*") if path.is_file()}
    assert {row["document"] for row in rows} == set(files)
    for document, path in files.items():
        own = [row for row in rows if row["document"] == document]
        text = path.read_bytes().decode()
        assert {row["sha256"] for row in own} == {hashlib.sha256(path.read_bytes()).hexdigest()}
        markup: Any = "markdown" if path.suffix == ".md" else "text"
        heading = "^#+ " if markup == "markdown" else "(?!)"  # that matches nothing
        starts = [match.start() for match in re.finditer(heading, text, re.MULTILINE)]
        expected = [
            (start + piece.start, start + piece.end, piece.text)
            for start, end in pairwise([0, *starts, len(text)])
            for piece in split(text[start:end], model, 128, markup=markup)
        ]
        assert [(row["start"], row["end"], row["text"]) for row in own] == expected
        vectors = model.encode([text for *_, text in expected])
        np.testing.assert_allclose([row["vector"] for row in own], vectors, atol=1e-6)  # rounding by batch


def test_an_index_has_every_piece_with_its_place(notes: Path, model: MiniLM) -> None:
    report = Documents("n.lance", model).update("notes")
    assert (report.added, report.changed, report.removed, report.unchanged, report.skipped) == (
        3,
        0,
        0,
        0,
        [],
    )
    check_holds(Path("n.lance"), notes, model)
    rows = rows_of(Path("n.lance"))
    assert report.pieces == len(rows)
    [lunch] = [row for row in rows if row["path"] == "notes/deep/lunch.txt"]
    assert (lunch["line"], lunch["end_line"]) == (1, 2)
    long = [row for row in rows if row["path"] == "notes/long.txt"]
    for row in long:  # line n has the words "Line n-1"
        assert row["text"].startswith(f"Line {row['line'] - 1} ")
    assert [(row["heading"], row["text"]) for row in rows if row["path"] == "notes/guide.md"] == [
        ("Guide", "# Guide\n\nHow to begin."),
        ("Guide > Passwords", "## Passwords\n\nPasswords are reset at the front desk."),
    ]


def test_only_what_is_new_or_changed_is_encoded(
    notes: Path, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = Documents("n.lance", model)
    documents.update("notes")
    version = lancedb.connect("n.lance").open_table("pieces").version
    encoded: list[str] = []
    encode: Any = MiniLM.encode_document

    def recorded(self: MiniLM, texts: list[str], **options: Any) -> Any:
        encoded.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(MiniLM, "encode_document", recorded)
    assert documents.update("notes").unchanged == 3
    assert lancedb.connect("n.lance").open_table("pieces").version == version
    (notes / "guide.md").write_text(GUIDE + "## Doors\n\nThe doors close at ten.\n")
    (notes / "new.txt").write_text("A new note.")
    (notes / "deep" / "lunch.txt").unlink()
    os.utime(notes / "long.txt")  # another time, and the same content
    report = documents.update(["notes"])
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 1)
    assert {text for text in encoded if "minutes" in text or "canteen" in text} == set()
    check_holds(notes.parent / "n.lance", notes, model)


@pytest.mark.parametrize("overlap", [0, 8])
def test_a_piece_has_its_lines_whatever_ends_them(overlap: int, notes: Path, model: MiniLM) -> None:
    ends = random.Random(overlap).choices(["\n", "\r\n", "\r", "\n\n", "\r\n \r\n", "\u2028"], k=200)
    text = "".join(f"Line {n} was read.{end}" for n, end in enumerate(ends))
    (notes / "ends.txt").write_bytes(text.encode())
    Documents("n.lance", model, tokens=32, overlap=overlap).update("notes/ends.txt")
    breaks = [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]
    rows = rows_of(Path("n.lance"))
    assert len(rows) > 30
    for row in rows:
        expected = [bisect_right(breaks, place) + 1 for place in (row["start"], row["end"] - 1)]
        assert [row["line"], row["end_line"]] == expected


def test_documents_of_other_paths_stay(notes: Path, model: MiniLM) -> None:
    (notes.parent / "other.md").write_text("Another note.")
    documents = Documents("n.lance", model)
    documents.update(["notes", "other.md"])
    (notes / "guide.md").unlink()
    assert documents.update("notes/deep").removed == 0
    assert documents.update("notes/*.txt").removed == 0  # the pattern never gave guide.md
    assert documents.update("notes").removed == 1
    assert {row["path"] for row in rows_of(Path("n.lance"))} == {
        "notes/deep/lunch.txt",
        "notes/long.txt",
        "other.md",
    }


def test_a_document_that_a_pattern_no_longer_gives_is_removed(notes: Path, model: MiniLM) -> None:
    documents = Documents("n.lance", model)
    documents.update("notes/*.*")
    (notes / "guide.md").rename(notes.parent / "moved.md")
    report = documents.update("notes/*.*")
    assert (report.removed, report.unchanged) == (1, 1)


def test_what_is_no_text_is_listed_or_stops(notes: Path, model: MiniLM) -> None:
    (notes / "guide.md").write_bytes(b"\x00\x01")
    (notes / "empty.md").touch()
    documents = Documents("n.lance", model)
    with pytest.raises(CorpusError, match=r"notes/(empty|guide).md: it .* \(--on-error skip goes on\)"):
        documents.update("notes", on_error="raise")
    (notes / "loop.md").symlink_to("loop.md")
    report = documents.update("notes")
    assert report.skipped == [
        ("notes/empty.md", "it has no text"),
        ("notes/guide.md", "it is binary: it has a NUL byte"),
        ("notes/loop.md", os.strerror(errno.ELOOP)),
    ]
    assert report.added == 2


def test_a_first_update_that_fails_leaves_no_table(notes: Path, model: MiniLM) -> None:
    documents = Documents("n.lance", model)
    with pytest.raises(FileNotFoundError, match=r"missing\.md"):
        documents.update([notes, "missing.md"])
    with pytest.raises(CorpusError, match=r"n\.lance has no documents yet: minilm index PATH --db n"):
        documents.search("lunch")
    assert documents.update("notes").added == 3


def test_a_folder_that_cannot_be_read_now_is_listed_and_keeps_its_documents(
    notes: Path, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    (notes / "inner").mkdir()
    (notes / "inner" / "deep.md").write_text("A deep note.\n")
    documents = Documents("n.lance", model)
    assert documents.update("notes").added == 4
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if Path(path).name == "inner":  # root may read every folder
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = documents.update("notes")
    assert report.skipped == [("notes/inner", "Permission denied")]
    assert (report.unchanged, report.removed) == (3, 0)
    with pytest.raises(CorpusError, match=r"notes/inner: Permission denied \(--on-error skip goes on\)"):
        documents.update("notes", on_error="raise")
    monkeypatch.undo()
    monkeypatch.chdir(notes.parent)
    assert documents.update("notes").unchanged == 4


def test_what_was_named_stays_when_a_folder_above_it_is_given(notes: Path, model: MiniLM) -> None:
    (notes / "t.csv").write_text("text\nA row\n")
    (notes / "LICENSE").write_text("Free.\n")
    documents = Documents("n.lance", model)
    documents.update(["notes/t.csv", "notes/LICENSE"])
    report = documents.update("notes")
    assert (report.added, report.removed) == (3, 0)
    (notes / "LICENSE").unlink()
    (notes / "t.csv").unlink()
    assert documents.update("notes").removed == 2


def test_a_row_that_loses_its_text_loses_its_pieces(notes: Path, model: MiniLM) -> None:
    table = notes.parent / "t.jsonl"
    table.write_text('{"id": "a", "text": "First"}\n')
    documents = Documents("n.lance", model)
    documents.update("t.jsonl", id_column="id")
    table.write_text('{"id": "a", "text": null}\n')
    report = documents.update("t.jsonl", id_column="id")
    assert report.skipped == [("t.jsonl#a", "null")]
    assert documents.search("First") == []


@pytest.mark.parametrize("paths", ["", ["notes", ""]])
def test_an_empty_path_is_refused(paths: str | list[str], notes: Path, model: MiniLM) -> None:
    del notes
    with pytest.raises(ValueError, match="paths must not be empty"):
        Documents("n.lance", model).update(paths)


def test_a_first_update_without_documents_leaves_no_table(notes: Path, model: MiniLM) -> None:
    (notes.parent / "empty").mkdir()
    documents = Documents("n.lance", model)
    assert documents.update("empty") == UpdateReport()
    with pytest.raises(CorpusError, match=r"n\.lance has no documents yet"):
        documents.search("lunch")


def test_a_pdf_without_its_package_is_listed_and_keeps_its_pieces(
    notes: Path, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    (notes / "guide.pdf").write_bytes(pdf_of("Opening hours"))
    documents = Documents("n.lance", model)
    assert documents.update("notes").added == 4
    (notes / "guide.pdf").write_bytes(pdf_of("Closed on Monday"))
    monkeypatch.setitem(sys.modules, "pypdf", None)
    report = documents.update("notes")
    [(path, reason)] = report.skipped
    assert path == "notes/guide.pdf"
    assert reason.startswith("a PDF needs pypdf, which is not installed: pip install ")
    assert (report.unchanged, report.removed) == (3, 0)
    assert documents.search("Opening hours", k=1)[0].path == "notes/guide.pdf"
    monkeypatch.undo()
    monkeypatch.chdir(notes.parent)
    assert documents.update("notes").changed == 1
    assert documents.search("Closed on Monday", k=1)[0].pieces[0].text == "Closed on Monday"


def test_a_row_of_a_table_keeps_its_other_columns(notes: Path, model: MiniLM) -> None:
    table = notes.parent / "t.csv"
    table.write_text("key,text\na,First text\nb,Second text\n")
    documents = Documents("n.lance", model)
    assert documents.update("t.csv", id_column="key").added == 2
    table.write_text("key,text\nb,Second text\nc,Third text\n")
    report = documents.update("t.csv", id_column="key")
    assert (report.added, report.removed, report.unchanged) == (1, 1, 1)
    [hit] = documents.search("the third", k=1)
    assert (hit.metadata, hit.pieces[0].text, hit.pieces[0].line) == ({"key": "c"}, "Third text", None)


def test_a_table_that_cannot_be_read_now_keeps_its_pieces(notes: Path, model: MiniLM) -> None:
    table = notes.parent / "t.csv"
    table.write_text("text\nFirst text\nSecond text\n")
    documents = Documents("n.lance", model)
    documents.update(["t.csv", "notes"])
    table.write_bytes(b"\0" * 500)
    report = documents.update(["t.csv", "notes"])
    assert ([path for path, _ in report.skipped], report.removed, report.unchanged) == (["t.csv"], 0, 3)
    with pytest.raises(CorpusError, match=r"^t\.csv: is full of NUL bytes"):
        documents.update("t.csv", on_error="raise")


SLOW = """
import sys
from minilm import Documents, MiniLM
print("ready", flush=True)
Documents("n.lance", MiniLM(threads=1)).update("notes")
print("done", flush=True)
"""


def started(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "RUST_LOG": "error"}
    command = [sys.executable, "-c", SLOW]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_update_leaves_the_table_as_it_was_or_as_it_should_be(notes: Path, model: MiniLM) -> None:
    """Kills at random moments; more of them by MINILM_KILLS, as ``make long`` does."""
    documents = Documents("n.lance", model)
    documents.update("notes")
    before, chance = rows_of(Path("n.lance")), random.Random(23)
    for number in range(KILLS):
        (notes / "guide.md").write_text(GUIDE * (2 + number % 3))
        (notes / f"more{number}.txt").write_text("Some more text.\n\n" * 100)
        if number:
            (notes / f"more{number - 1}.txt").unlink()
        process = started(notes.parent)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 3))  # any moment will do: the result is checked at each
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if rows_of(Path("n.lance")) != before:
            check_holds(Path("n.lance"), notes, model)
        documents.update("notes")
        check_holds(Path("n.lance"), notes, model)
        before = rows_of(Path("n.lance"))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_before_the_commit_changes_nothing(notes: Path, model: MiniLM) -> None:
    """The vectors are there, the transaction is not: the next update does it."""
    documents = Documents("n.lance", model)
    documents.update("notes")
    before = rows_of(Path("n.lance"))
    (notes / "guide.md").write_text(GUIDE * 2)
    killed_update("notes", "update", "_merge")
    assert rows_of(Path("n.lance")) == before
    assert documents.update("notes").changed == 1
    check_holds(Path("n.lance"), notes, model)


FAILURES: list[tuple[type[BaseException], type[BaseException]]] = [
    (RuntimeError, CorpusError),
    (KeyboardInterrupt, KeyboardInterrupt),
]


def failing_update(path: str, documents: Documents, failure: type[BaseException]) -> None:
    """Update from a path, and fail after the table or its columns were made."""

    def fail(*_: object) -> None:
        raise failure("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "merge_pieces", fail)
        documents.update(path)


@pytest.mark.parametrize(("failure", "raised"), FAILURES)
def test_a_first_update_whose_transaction_fails_leaves_no_table(
    failure: type[BaseException], raised: type[BaseException], notes: Path, model: MiniLM
) -> None:
    documents = Documents("n.lance", model)
    with pytest.raises(raised, match="the disk is full"):
        failing_update("notes", documents, failure)
    with pytest.raises(CorpusError, match=r"n.lance has no documents yet"):
        documents.search("lunch")
    assert documents.update("notes").added == 3
    check_holds(Path("n.lance"), notes, model)


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(("failure", "raised"), FAILURES)
def test_an_update_that_fails_leaves_the_columns_as_they_were(
    failure: type[BaseException], raised: type[BaseException], model: MiniLM
) -> None:
    documents = Documents("n.lance", model)
    documents.update("notes")
    rows, schema = rows_of(Path("n.lance")), lancedb.connect("n.lance").open_table("pieces").schema
    Path("t.jsonl").write_text('{"text": "Tea at four.", "price": 3}\n')
    with pytest.raises(raised, match="the disk is full"):
        failing_update("t.jsonl", documents, failure)
    assert rows_of(Path("n.lance")) == rows
    assert lancedb.connect("n.lance").open_table("pieces").schema == schema
    assert documents.update("notes").unchanged == 3
    Path("t.jsonl").write_text('{"text": "Tea at four.", "price": "3.30"}\n')  # of another type
    assert documents.update("t.jsonl").added == 1
    assert documents.search("tea", k=1)[0].metadata == {"price": "3.30"}


@pytest.mark.usefixtures("notes")
def test_pieces_that_fit_no_column_make_no_version(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise CorpusError("it does not fit")

    documents = Documents("n.lance", model)
    documents.update("notes")
    version = lancedb.connect("n.lance").open_table("pieces").version
    Path("t.jsonl").write_text('{"text": "Tea at four.", "price": 3}\n')
    monkeypatch.setattr(Spool, "read", fail)
    with pytest.raises(CorpusError, match="it does not fit"):
        documents.update("t.jsonl")
    assert lancedb.connect("n.lance").open_table("pieces").version == version


def test_a_place_without_a_lock_keeps_what_another_writer_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "restore_table", lambda *_: pytest.fail("another writer loses its pieces"))
    with pytest.raises(RuntimeError, match="the server is away"), update._undone_on_failure("s3://a/b", None):
        raise RuntimeError("the server is away")


def test_two_writers_at_once_lose_nothing(notes: Path, model: MiniLM) -> None:
    writers = [started(notes.parent) for _ in range(2)]
    for writer in writers:
        assert writer.communicate()[0] == "ready\ndone\n"
        assert writer.returncode == 0
    check_holds(Path("n.lance"), notes, model)


def test_many_pieces_get_an_approximate_index_and_few_an_exact_search(
    notes: Path, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = notes.parent / "t.csv"
    table.write_text("text\n" + "\n".join(f"Note {n} is about room {n * 7 % 300}." for n in range(300)))
    documents = Documents("n.lance", model)
    exact: list[bool] = []
    builder = lancedb.query.LanceVectorQueryBuilder
    bypass: Any = builder.bypass_vector_index

    def recorded(asked: Any) -> Any:
        exact.append(True)
        return bypass(asked)

    monkeypatch.setattr(builder, "bypass_vector_index", recorded)
    for module in (update, search):
        monkeypatch.setattr(module, "APPROXIMATE_ABOVE", 255)
    documents.update("t.csv")
    indices = lancedb.connect("n.lance").open_table("pieces").list_indices()
    assert {tuple(index.columns) for index in indices} == {("text",), ("vector",)}
    for number, above in enumerate((255, 300)):
        monkeypatch.setattr(search, "APPROXIMATE_ABOVE", above)
        [hit] = documents.search("Note 17 is about room 119.", k=1)
        assert hit.pieces[0].text == "Note 17 is about room 119."
        assert len(exact) == number
