"""minilm index: what it says it did, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minilm.cli.main import main
from tests.cli.running import failure

pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "desk.md").write_text("# Desk\n\nPasswords are reset at the front desk.\n")
    (tmp_path / "notes" / "lunch.md").write_text("The canteen opens at noon.\n")
    return tmp_path / "notes"


def test_a_user_indexes_a_folder_edits_a_file_and_sees_the_change(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = ["index", "notes", "--db", "n.lance"]
    assert main(index) == 0
    assert capsys.readouterr().out == "2 added, 0 changed, 0 removed, 0 unchanged; 2 pieces encoded\n"
    assert main(["search", "n.lance", "I forgot my password", "-k", "1"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ")[1:] == ["notes/desk.md:1", "Desk"]
    assert "**Passwords**" in second
    (notes / "desk.md").write_text("# Doors\n\n\nThe doors close at ten.\n")
    (notes / "lunch.md").unlink()
    (notes / "photo.md").write_bytes(b"\0")
    assert main(index) == 0
    captured = capsys.readouterr()
    assert captured.out == "0 added, 1 changed, 1 removed, 0 unchanged; 1 piece encoded\n"
    assert captured.err == "minilm: left out: notes/photo.md: it is binary: it has a NUL byte\n"
    assert main(["search", "n.lance", "When do they lock up?", "-k", "1", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    [hit] = line["hits"]
    assert (line["query"], hit["path"]) == ("When do they lock up?", "notes/desk.md")
    [piece] = hit["pieces"]
    assert (piece["line"], piece["end_line"], piece["heading"]) == (1, 4, "Doors")
    assert all(piece["snippet"]["text"][start:end].strip() for start, end in piece["snippet"]["marks"])


def test_json_has_the_whole_report(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (notes / "empty.md").touch()
    assert main(["index", "notes", "--db", "n.lance", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "added": 2,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "pieces": 2,
        "skipped": [["notes/empty.md", "it has no text"]],
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["notes", "--db", ""], 2, "--db must name a folder or a URL, not ''"),
        (["notes", "--db", "n.lance", "--tokens", "257"], 2, "--tokens must lie in 3 to 256"),
        (["notes", "--db", "n.lance", "--overlap", "126"], 2, "--overlap must be below the 126 tokens"),
        (
            ["notes", "--db", "n.lance", "--overlap", "-1"],
            2,
            "--overlap must be 0 or a positive whole number",
        ),
        (["none", "--db", "n.lance"], 1, "none: No such file or directory"),
        (["notes", "--db", "notes/desk.md"], 1, "notes/desk.md is a file, not the folder of an index"),
        (["notes/*.rst", "--db", "n.lance"], 1, "no file matches 'notes/*.rst'"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found, said = failure(capsys, "index", *arguments)
    assert (found, said[: len(message)]) == (code, message)


def test_a_folder_without_documents_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").mkdir()
    for option, printed in ((), ""), (("--json",), '{"added": 0, '):
        assert main(["index", "none", "--db", "n.lance", *option]) == 1
        output, said = capsys.readouterr()
        assert said.splitlines()[-1] == "minilm: no document was found in none"
        assert output[: len(printed) or None] == printed


def test_options_of_the_other_kind_of_index_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["index", "notes", "--db", "n.lance"])
    assert failure(capsys, "search", "n.lance", "a", "--rescore-multiplier", "2") == (
        2,
        "--rescore-multiplier is for the output of minilm encode, and n.lance is none",
    )
    (tmp_path / "t.txt").write_text("a\n")
    main(["encode", "t.txt", "-o", "t.npy"])
    code, said = failure(capsys, "search", "t.npy", "a", "--where", "path = 'x'")
    assert (code, said) == (2, "--where is for the table of minilm index, and t.npy is none")
    code, said = failure(capsys, "search", "n.lance", "a", "--where", "path LIKE")
    assert (code, said[:37]) == (2, "--where 'path LIKE' is not understood")
    assert failure(capsys, "search", "none.lance", "a") == (1, "none.lance: No such file or directory")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watching_command_follows_changes_until_a_signal(notes: Path, number: signal.Signals) -> None:
    pytest.importorskip("watchfiles", reason="watchfiles is not installed")
    command = [sys.executable, "-m", "minilm", "index", "notes", "--db", "notes/n.lance", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "2 added, 0 changed, 0 removed, 0 unchanged; 2 pieces encoded\n"
        (notes / "new.md").write_text("A new note.\n")
        assert process.stdout.readline() == "1 added, 0 changed, 0 removed, 2 unchanged; 1 piece encoded\n"
        process.send_signal(number)
        assert process.wait() == 128 + number
        assert process.stderr.read() == "minilm: interrupted\n"


def test_watching_goes_on_when_a_file_is_gone_for_a_moment(notes: Path) -> None:
    pytest.importorskip("watchfiles", reason="watchfiles is not installed")
    note = next(notes.glob("*.md"))
    text = note.read_text()
    command = [sys.executable, "-m", "minilm", "index", str(note), "--db", "n.lance", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("1 added")
        note.unlink()
        line = process.stderr.readline()
        assert line == f"minilm: {note}: No such file or directory; the next change is waited for\n"
        note.write_text(f"{text}\nMore.\n")
        assert process.stdout.readline().startswith("0 added, 1 changed")
        process.terminate()


def test_an_empty_path_is_wrong_usage(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del notes
    assert failure(capsys, "index", "", "--db", "n.lance") == (
        2,
        "PATH must not be empty: . is the current folder",
    )


def test_a_home_is_expanded_for_the_table_its_lock_and_its_note(
    notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = notes.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert main(["index", str(notes), "--db", "~/n.lance"]) == 0
    assert main(["search", "~/n.lance", "a note", "-k", "1"]) == 0
    capsys.readouterr()
    assert {path.name for path in (home / "n.lance").iterdir()} >= {"pieces.lance", "pieces.known"}
    assert not Path("~").exists()


def test_a_url_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "index", "memory://notes", "--db", "n.lance", "--watch") == (
        1,
        "memory://notes cannot be watched: --watch is for files of this machine",
    )


def test_a_server_of_documents_has_one_worker_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    serve = ["serve", "--port", "0", "--db", "none.lance"]
    assert failure(capsys, *serve) == (1, "none.lance: No such file or directory")
    assert failure(capsys, *serve, "--workers", "2") == (
        2,
        "--db needs --workers 1: LanceDB does not outlive a fork",
    )
