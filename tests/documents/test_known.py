"""The note beside a table: when it is taken for what the table says, and when the table is read.

The reference is an update without the note, which reads the table. The two must never differ.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minilm import Documents, MiniLM
from minilm.documents import known, update
from minilm.documents.known import noted, read_known
from minilm.documents.table import TableRecipe, open_table
from minilm.documents.update import UpdateReport
from minilm.errors import CorpusError
from tests.checkpoints import MakeCheckpoint
from tests.documents.killed import killed_update

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

pytestmark = pytest.mark.usefixtures("without_coverage")
NOTE = Path("n.lance", "pieces.known")
TABLE = Path("n.lance", "pieces.lance")
UPDATE = """
import sys
from minilm import Documents
report = Documents("n.lance", sys.argv[1], tokens=16).update(sys.argv[2])
"""


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_checkpoint: MakeCheckpoint) -> Documents:
    """A table of three documents, by a small model, in the current folder. A fourth has no text."""
    monkeypatch.chdir(tmp_path)
    Path("notes").mkdir()
    for name in ("a", "b", "c"):
        Path("notes", f"{name}.txt").write_text(f"{name} is a note.")
    Path("notes", "empty.txt").touch()
    documents = Documents("n.lance", MiniLM(make_checkpoint()), tokens=16)
    assert documents.update("notes").added == 3
    return documents


def lance(place: str = "n.lance") -> Any:
    """The table as another program opens it."""
    return lancedb.connect(place).open_table("pieces")


def said_by_table() -> known.Known:
    return read_known(open_table("n.lance"), "n.lance")


def rows_of(place: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = lance(place).to_arrow().to_pylist()
    return sorted(rows, key=lambda row: str(row["piece_id"]))


@pytest.mark.usefixtures("documents")
def test_the_note_says_what_the_table_says() -> None:
    found = noted("n.lance")
    assert found is not None
    assert found.recipe == said_by_table().recipe
    assert {name: tuple(values) for name, values in found.documents.items()} == said_by_table().documents
    assert len(found.documents) == 3


def test_an_update_that_changes_nothing_does_without_lancedb(documents: Documents) -> None:
    program = UPDATE + "print(report); print('lancedb' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def said() -> list[str]:
        command = [sys.executable, "-c", program, str(documents.model.checkpoint.directory), "notes"]
        result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return result.stdout.splitlines()

    skipped = [("notes/empty.txt", "it has no text")]
    expected = UpdateReport(unchanged=3, skipped=skipped)
    assert said() == [repr(expected), "False"]
    NOTE.unlink()
    assert said() == [repr(expected), "True"]
    assert said() == [repr(expected), "False"]  # the note is there again


def test_what_changed_is_done_behind_the_note(documents: Documents) -> None:
    """The note spares only the reading of the table, also where one document of many has changed."""
    Path("notes", "b.txt").write_text("b is another note.")
    Path("notes", "c.txt").unlink()
    Path("notes", "d.txt").write_text("d is new.")
    report = documents.update("notes")
    assert (report.added, report.changed, report.removed, report.unchanged) == (1, 1, 1, 1)
    assert [row["text"] for row in rows_of("n.lance")] == ["a is a note.", "b is another note.", "d is new."]
    Path("notes", "a.txt").unlink()  # nothing is new, and one is gone
    assert documents.update("notes").removed == 1
    Path("notes", "b.txt").write_bytes(b"\0")  # nothing is new, and one has no text any more
    assert len(documents.update("notes").skipped) == 2
    assert [row["text"] for row in rows_of("n.lance")] == ["d is new."]
    found = noted("n.lance")
    assert found is not None
    assert len(found.documents) == 1


def another_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(known, "__version__", "0.0.9")


def another_format(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TableRecipe, "format", 1)


def folder_for_note(_: pytest.MonkeyPatch) -> None:
    NOTE.unlink()
    NOTE.mkdir()


def older_table(_: pytest.MonkeyPatch) -> None:
    lance().delete("document LIKE '%a.txt'")
    lance().restore(1)


def table_without_its_newest_version(_: pytest.MonkeyPatch) -> None:
    versions = TABLE / "_versions"
    min(versions.glob("*.manifest")).unlink()  # Lance counts down from the largest number


def another_table(_: pytest.MonkeyPatch) -> None:
    rows = lance().to_arrow().slice(1)
    lancedb.connect("n.lance").create_table("pieces", rows, mode="overwrite")


def flipped(place: int) -> Callable[[object], None]:
    def flip(_: object) -> None:
        data = bytearray(NOTE.read_bytes())
        data[place] ^= 1
        NOTE.write_bytes(data)

    return flip


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "no note": lambda _: NOTE.unlink(),
    "an empty note": lambda _: NOTE.write_bytes(b""),
    "half of a note": lambda _: NOTE.write_bytes(NOTE.read_bytes()[: NOTE.stat().st_size // 2]),
    "a note without its end": lambda _: NOTE.write_bytes(NOTE.read_bytes()[:-1]),
    "a note that is a folder": folder_for_note,
    "a damaged seal": flipped(0),
    "a damaged body": flipped(100),
    "another version of minilm": another_version,
    "another format of the table": another_format,
    "rows that were deleted": lambda _: lance().delete("document LIKE '%a.txt'"),
    "a column that was added": lambda _: lance().add_columns({"more": "1"}),
    "an older version that was restored": older_table,
    "a newest version that is gone": table_without_its_newest_version,
    "a table that was written anew": another_table,
    "a file of vectors that is gone": lambda _: min((TABLE / "data").iterdir()).unlink(),
    "a file of vectors that was cut": lambda _: min((TABLE / "data").iterdir()).write_bytes(b"short"),
    "no table": lambda _: shutil.rmtree(TABLE),
}


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize("name", CHANGES)
def test_a_note_that_does_not_fit_is_not_believed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    CHANGES[name](monkeypatch)
    assert noted("n.lance") is None


@pytest.mark.parametrize(
    "name",
    [
        "rows that were deleted",
        "a column that was added",
        "an older version that was restored",
        "a table that was written anew",
        "no table",
    ],
)
def test_what_another_program_did_to_the_table_is_made_good(
    name: str, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [(row["document"], row["text"]) for row in rows_of("n.lance")]
    CHANGES[name](monkeypatch)
    shutil.copytree("n.lance", "reference.lance")
    Path("reference.lance", "pieces.known").unlink()
    reference = Documents("reference.lance", documents.model, tokens=16)
    try:
        report = reference.update("notes")
    except CorpusError as error:
        assert "was not written by minilm index" in str(error)  # noqa: PT017 - the other must say the same
        with pytest.raises(CorpusError, match="was not written by minilm index"):
            documents.update("notes")
        return
    assert documents.update("notes") == report
    assert [(row["document"], row["text"]) for row in rows_of("n.lance")] == expected


def test_a_table_and_its_note_may_be_moved(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree("n.lance", "copy.lance")
    assert noted("copy.lance") == noted("n.lance") is not None
    monkeypatch.setattr(update, "find_table", None)  # whoever calls it fails
    assert Documents("copy.lance", documents.model, tokens=16).update("notes").unchanged == 3


def test_other_models_and_pieces_are_refused_as_without_the_note(documents: Documents) -> None:
    others = [
        Documents("n.lance", documents.model, tokens=15),
        Documents("n.lance", documents.model, tokens=16, overlap=2),
        Documents("n.lance", tokens=16),
    ]
    said: list[str] = []
    for _ in range(2):
        assert (noted("n.lance") is None) == bool(said)
        for other in others:
            with pytest.raises(CorpusError) as error:
                other.update("notes")
            said.append(str(error.value))
        NOTE.unlink(missing_ok=True)
    assert said[:3] == said[3:]
    assert "with tokens 16, not 15" in said[0]


def test_a_table_that_changes_while_it_is_noted_gets_no_note(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program, which knows of no lock, comes before and behind the reading."""
    read: Any = known.read_known

    def amid(*arguments: Any) -> Any:
        lance().delete("document LIKE '%a.txt'")
        found = read(*arguments)
        lance().delete("document LIKE '%b.txt'")
        return found

    NOTE.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(known, "read_known", amid)
        documents.update("notes")
    assert not NOTE.exists()
    assert documents.update("notes").added == 2


def test_a_note_that_cannot_be_written_is_no_failure(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(known, "atomic_write", full)
    Path("notes", "d.txt").write_text("d is new.")
    assert documents.update("notes").added == 1
    assert noted("n.lance") is None
    assert documents.update("notes").unchanged == 4


def test_more_documents_than_a_note_may_have_get_none(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_MOST_NOTED", 3)
    Path("notes", "d.txt").write_text("d is new.")
    documents.update("notes")
    assert noted("n.lance") is None
    Path("notes", "d.txt").unlink()
    documents.update("notes")
    assert noted("n.lance") is not None


def test_a_place_on_a_server_has_no_note() -> None:
    assert noted("s3://bucket/n.lance") is None


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("owner", "name"),
    [("update", "write_note"), ("known", "atomic_write"), ("files", "sync"), ("files", "rename_durably")],
)
def test_a_kill_while_the_note_is_written_leaves_the_table_right(
    owner: str, name: str, documents: Documents, model: MiniLM
) -> None:
    """The table has the change. The note is the old one, which its seal gives away."""
    shutil.rmtree("n.lance")
    documents = Documents("n.lance", model)
    documents.update("notes")
    Path("notes", "a.txt").write_text("a is another note.")
    killed_update("notes", owner, name)
    assert noted("n.lance") is None
    report = documents.update("notes")
    assert (report.changed, report.unchanged, report.pieces) == (0, 3, 0)
    assert noted("n.lance") is not None
    assert rows_of("n.lance")[0]["text"] == "a is another note."
    assert sorted(path.name for path in Path("n.lance").iterdir()) == [
        ".minilm.lock",
        "pieces.known",
        "pieces.lance",
    ]


def test_two_writers_at_once_leave_a_right_note(documents: Documents) -> None:
    command = [sys.executable, "-c", UPDATE, str(documents.model.checkpoint.directory)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    writers = []
    for folder in ("x", "y", "notes"):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "new.txt").write_text(f"A new note in {folder}.")
        writers.append(subprocess.Popen([*command, folder], env=environment))
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = noted("n.lance")
    assert found is not None
    assert {name: tuple(values) for name, values in found.documents.items()} == said_by_table().documents
    assert len(found.documents) == 6


@pytest.mark.parametrize("seed", range(3))
def test_any_course_of_things_ends_as_without_notes(seed: int, documents: Documents) -> None:
    """Two tables see the same: documents that change, and other programs. One always loses its note."""
    shutil.copytree("n.lance", "reference.lance")
    reference = Documents("reference.lance", documents.model, tokens=16)
    chance = random.Random(seed)

    def write() -> None:
        Path("notes", f"{chance.choice('abcd')}.txt").write_text(f"A note with {chance.randrange(3)}.")

    def remove() -> None:
        Path("notes", f"{chance.choice('abcd')}.txt").unlink(missing_ok=True)

    def delete() -> None:
        name = chance.choice("abcd")
        for place in ("n.lance", "reference.lance"):
            lance(place).delete(f"document LIKE '%{name}.txt'")

    def restore() -> None:
        back = chance.randrange(3)
        for place in ("n.lance", "reference.lance"):
            table = lance(place)
            table.restore(max(1, table.version - back))

    def nothing() -> None:
        pass

    for _ in range(12):
        chance.choice([write, write, remove, delete, restore, nothing])()
        paths = chance.choice([["notes"], ["notes"], ["notes/a.txt"], ["notes/*.txt"]])
        Path("reference.lance", "pieces.known").unlink(missing_ok=True)
        assert documents_of(documents, paths) == documents_of(reference, paths)
        assert rows_of("n.lance") == rows_of("reference.lance")


def documents_of(documents: Documents, paths: list[str]) -> UpdateReport | str:
    try:
        return documents.update(paths)
    except FileNotFoundError as error:
        return str(error)
