"""_files.py: a file is there as a whole or not at all, and an error names the file it is about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from minilm._files import (
    atomic_write,
    errors_named,
    json_bytes,
    rename_durably,
    sync,
    write_json,
    write_whole,
)
from minilm.errors import CheckpointError, CorpusError, described


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    path.write_bytes(b"previous")
    with atomic_write(path) as file:
        file.write(b"new")
        sync(file)
        assert path.read_bytes() == b"previous"
        assert (tmp_path / "vectors.npy.tmp").read_bytes() == b"new"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.npy"]


def test_a_failure_leaves_the_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    path.write_bytes(b"previous")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_bytes() == b"previous"


def test_two_writers_with_temporary_files_of_their_own_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "part.npy"
    with atomic_write(path, tmp_path / "one") as first, atomic_write(path, tmp_path / "two") as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # its block ends last
    assert [entry.name for entry in tmp_path.iterdir()] == ["part.npy"]


def test_content_and_name_are_on_the_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name != "posix":
        pytest.skip("elsewhere a directory cannot be brought to the disk")
    path, synced = tmp_path / "file", []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        is_folder = os.fstat(descriptor).st_ino == tmp_path.stat().st_ino
        synced.append(("folder" if is_folder else "content", path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with atomic_write(path) as file:
        file.write(b"x")
    assert synced == [("content", False), ("folder", True)]


def test_a_folder_is_renamed_as_well(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "file").write_text("x")
    rename_durably(tmp_path / "staging", tmp_path / "model")
    assert (tmp_path / "model" / "file").read_text() == "x"
    assert not (tmp_path / "staging").exists()


def test_json_keeps_every_character_and_comes_back(tmp_path: Path) -> None:
    value = {"name": "é漢😀", "path": "half\udcff"}
    assert json_bytes({"é": 1}) == '{"é": 1}'.encode()
    assert b"\\udcff" in json_bytes(value)  # no UTF-8 form, so JSON's own escape
    write_json(tmp_path / "manifest.json", value)
    assert json.loads((tmp_path / "manifest.json").read_bytes()) == {
        "name": "é漢😀",
        "path": "half\udcff",
    }
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes([float("nan")])
    write_json(tmp_path / "other.json", [1], tmp_path / "temporary")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["manifest.json", "other.json"]


def test_an_error_of_a_library_becomes_one_that_names_the_file() -> None:
    with (
        pytest.raises(CorpusError, match=r"^x.npy is damaged: bad magic$") as caught,
        errors_named(CorpusError, "x.npy is damaged"),
    ):
        raise ValueError("bad\n magic")
    assert isinstance(caught.value.__cause__, ValueError)
    with (
        pytest.raises(CorpusError, match=r"^x.npy is damaged: KeyError: 'vector'$"),
        errors_named(CorpusError, "x.npy is damaged", describe=described),
    ):
        raise KeyError("vector")


@pytest.mark.parametrize(
    "error", [CheckpointError("own"), MemoryError("all of it"), KeyboardInterrupt("Ctrl-C")]
)
def test_errors_that_are_not_about_the_file_pass(error: BaseException) -> None:
    with pytest.raises(type(error), match=str(error)), errors_named(CorpusError, "x.npy is damaged"):
        raise error


def test_the_caller_says_which_exceptions_are_about_the_file() -> None:
    with (
        pytest.raises(TypeError, match=r"^a bug$"),
        errors_named(CorpusError, "x", catch=(OSError, KeyError)),
    ):
        raise TypeError("a bug")
    with (
        pytest.raises(OSError, match=r"^busy$"),
        errors_named(CorpusError, "x", catch=OSError, when=lambda error: "damaged" in str(error)),
    ):
        raise OSError("busy")
    with (
        pytest.raises(CorpusError, match=r"^x: damaged page$"),
        errors_named(CorpusError, "x", catch=OSError, when=lambda error: "damaged" in str(error)),
    ):
        raise OSError("damaged page")


def test_a_file_of_the_user_is_written_whole_through_a_link_and_over_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "real"]
    for path, message in (
        (tmp_path, "not a file"),
        (Path(os.devnull), "not a file"),
        (tmp_path / "a/b", "No such"),
    ):
        with pytest.raises(OSError, match=message) as caught:
            write_whole(path, b"")
        assert caught.value.filename == str(path)
