"""hub/find.py: names and directories, the order of the places, and an error that lists them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from minilm import CheckpointError, hub
from minilm.hub import REQUIRED_FILES, find_checkpoint, is_repository_name, likely_directory
from tests.hub.world import (
    FILES,
    NAME,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    REVISION,
    World,
    fill,
    make_home,
    reason_of_failure,
    snapshot,
)


def test_an_explicit_directory_comes_before_everything_else(world: World, tmp_path: Path) -> None:
    fill(world.stored)
    mine = fill(tmp_path / "mine", dict.fromkeys(REQUIRED_FILES, b"mine"))
    assert find_checkpoint(mine) == hub.Checkpoint(mine, "directory", None, None, verified=False)
    assert world.hub.requests == []


def test_a_directory_that_bears_the_models_name_is_taken_for_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world.stored)
    fill(tmp_path / "here" / NAME, dict.fromkeys(REQUIRED_FILES, b"mine"))
    monkeypatch.chdir(tmp_path / "here")
    assert find_checkpoint(NAME).source == "directory"


def test_no_directory_takes_the_default_models_place(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fill(tmp_path / "here" / REPO_ID, dict.fromkeys(REQUIRED_FILES, b"mine"))
    monkeypatch.chdir(tmp_path / "here")
    assert f"the directory ./{REPO_ID}: not opened by the model's name" in reason_of_failure(
        local_files_only=True
    )
    fill(world.stored)
    ways: list[dict[str, Any]] = [{}, {"name_or_path": REPO_ID}, {"revision": REVISION}]
    for options in ways:
        assert find_checkpoint(**options).directory == likely_directory(**options) == world.stored
    world.hub.add(REPO_ID, OLD, OLD_FILES)
    assert (
        find_checkpoint(REPO_ID, revision="main").repo_id == REPO_ID
    )  # from the Hub, not from the directory
    for name in (f"./{REPO_ID}", f"{REPO_ID}/", Path(REPO_ID), mine):
        assert likely_directory(name) is None
        found = find_checkpoint(name)
        assert find_checkpoint(str(found.directory)) == found == hub.Checkpoint(mine, "directory")
    (mine / "config.json").unlink()  # an incomplete directory of that name changes nothing
    assert find_checkpoint().directory == world.stored


def test_a_directory_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "someone" / "model")
    monkeypatch.chdir(tmp_path)
    for name in ("someone/model", Path("someone/model"), tmp_path / "someone" / "model"):
        with pytest.raises(ValueError, match=r"^revision 'v1' is for a repository .* is a directory on this"):
            find_checkpoint(name, revision="v1")


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_an_explicit_directory_that_lacks_a_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    fill(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(tmp_path)
    assert str(error.value) == f"{tmp_path} is not a complete checkpoint: {name} is missing"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt"])
def test_a_pickle_is_never_opened_and_the_message_says_so(tmp_path: Path, name: str) -> None:
    fill(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / name)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} is not a complete checkpoint: model.safetensors is missing; {name} is a pickle, which "
        "minilm never opens: save the model again with safe_serialization=True"
    )


def test_a_directory_that_cannot_be_read_is_refused_and_a_repositorys_name_looked_for_elsewhere(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = tmp_path / NAME
    loop.symlink_to(loop.name)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(loop)
    assert str(error.value) == f"{loop}: cannot be read: {os.strerror(errno.ELOOP)}"
    fill(world.stored)
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(NAME).source == "store weights/"


def test_an_explicit_directory_may_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path, monkeypatch)
    fill(tmp_path / "mine")
    assert find_checkpoint("~/mine").directory == tmp_path / "mine"


def test_a_model_is_likely_where_every_file_has_its_size(world: World, tmp_path: Path) -> None:
    assert likely_directory() is None
    fill(world.cached)
    assert likely_directory() == world.cached  # the store does not exist yet
    fill(world.stored)
    assert likely_directory() == likely_directory(REPO_ID, revision=REVISION) == world.stored
    assert likely_directory(cache_folder=tmp_path / "mine") is None
    mine = fill(snapshot(tmp_path / "mine", REPO_ID, REVISION))
    assert likely_directory(cache_folder=tmp_path / "mine") == mine
    assert likely_directory(OTHER) is likely_directory(mine) is likely_directory(revision="main") is None


@pytest.mark.parametrize("name", FILES)
def test_a_model_is_not_likely_where_a_file_has_another_size(world: World, name: str) -> None:
    fill(world.cached)
    for content in (FILES[name] + b"\0", FILES[name][:-1]):
        fill(world.stored, {**FILES, name: content})
        assert likely_directory() == world.cached
    (world.stored / name).unlink()
    assert likely_directory() == world.cached


@pytest.mark.parametrize("name", [NAME, REPO_ID])
def test_the_short_name_means_the_long_one(world: World, name: str) -> None:
    fill(world.stored)
    assert find_checkpoint(name).repo_id == REPO_ID


def test_a_name_without_an_owner_is_looked_for_under_sentence_transformers(world: World) -> None:
    world.hub.add("sentence-transformers/another", OLD, OLD_FILES)
    assert find_checkpoint("another").repo_id == "sentence-transformers/another"


@pytest.mark.parametrize(
    "name", ["", "./nope", "../x", "a/b/c", "/nope", "~/nope", "nope/", ".hidden", "two words", "a\\b", "é/x"]
)
def test_what_can_be_neither_directory_nor_repository_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(fill(tmp_path / "here"))  # "" must not mean the current directory
    message = reason_of_failure(name_or_path=name)
    assert message.startswith(f"{name!r} is neither a directory on this machine nor a repository's name")
    assert "\n" not in message
    assert world.hub.requests == []
    assert world.pip.calls == []


@pytest.mark.parametrize("name", ["~nobody-has-this-name/x", "a" * 300], ids=["nobody's home", "too long"])
def test_a_name_that_the_file_system_refuses_is_refused_in_the_same_way(world: World, name: str) -> None:
    assert "\n" not in reason_of_failure(name_or_path=name)
    assert world.hub.requests == []


def test_a_repositorys_name_has_at_most_96_characters() -> None:
    assert is_repository_name(f"someone/{'a' * 88}")
    assert not is_repository_name(f"someone/{'a' * 89}")


def test_a_file_is_no_directory(world: World, tmp_path: Path) -> None:
    file = fill(tmp_path) / "config.json"
    message = reason_of_failure(name_or_path=file)
    assert message.startswith(f"'{file}' is neither a directory on this machine nor a repository's name")
    assert world.hub.requests == []


def test_a_path_is_never_taken_for_a_repositorys_name(
    other: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is neither a directory on this machine" in reason_of_failure(name_or_path=Path(OTHER))
    assert other.hub.requests == []


def test_only_the_default_model_is_marked_as_it_also_by_a_branch_that_leads_to_it(
    other: World, tmp_path: Path
) -> None:
    assert find_checkpoint().is_default
    by_branch = find_checkpoint(revision="main")  # the Hub's main is the pinned revision here
    assert (by_branch.directory, by_branch.revision, by_branch.is_default) == (other.cached, REVISION, True)
    assert not find_checkpoint(OTHER).is_default
    assert not find_checkpoint(fill(tmp_path / "mine")).is_default
    other.hub.add(REPO_ID, OLD, OLD_FILES)
    assert not find_checkpoint(revision="main").is_default


def test_a_directory_is_found_without_the_manifest_or_any_other_file_of_hub(tmp_path: Path) -> None:
    directory = fill(tmp_path / "mine")
    entered = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "minilm" in Path(frame.f_code.co_filename).parts:
            entered.add(Path(frame.f_code.co_filename).name)

    sys.setprofile(note)
    try:
        assert likely_directory(directory) is None
        find_checkpoint(directory)
    finally:
        sys.setprofile(None)
    assert entered == {"find.py", "files.py"}
