"""hub/unpinned.py: repositories without a manifest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from huggingface_hub import constants

from minilm import CheckpointError, hub
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, copy_checkpoint, find_checkpoint, unpinned
from minilm.hub.errors import Unavailable
from tests.fake_hub import etag
from tests.hub.world import (
    FILES,
    NEW,
    NEW_FILES,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    REVISION,
    World,
    contents,
    fill,
    flip,
    go_offline,
    make_home,
    model_files,
    reason_of_failure,
    set_constant,
    snapshot,
    without_waiting,
)


def test_another_repository_is_downloaded_into_the_cache(other: World) -> None:
    directory = snapshot(other.cache, OTHER, OLD)
    expected = hub.Checkpoint(directory, "Hugging Face Hub", OTHER, OLD, verified=True)
    assert find_checkpoint(OTHER) == expected
    assert contents(directory) == OLD_FILES
    assert model_files(other.store) == []
    assert other.pip.calls == []  # the mirror has one model only


def test_another_repository_goes_into_a_given_cache(other: World, tmp_path: Path) -> None:
    checkpoint = find_checkpoint(OTHER, cache_folder=tmp_path / "mine")
    assert checkpoint.directory == snapshot(tmp_path / "mine", OTHER, OLD)
    assert model_files(other.cache) == []


def test_the_default_model_at_another_revision_is_not_held_to_the_manifest(world: World) -> None:
    fill(world.stored)
    world.hub.add(REPO_ID, NEW, NEW_FILES)
    checkpoint = find_checkpoint(revision="main")
    assert (checkpoint.source, checkpoint.revision) == ("Hugging Face Hub", NEW)
    assert contents(checkpoint.directory) == NEW_FILES


def test_the_pinned_revision_may_be_named(world: World) -> None:
    fill(world.stored)
    assert find_checkpoint(revision=REVISION).directory == world.stored


@pytest.mark.parametrize(
    ("revision", "commit"),
    [(None, NEW), ("main", NEW), ("v1", OLD), (OLD, OLD), (NEW, NEW)],
    ids=["none", "branch", "tag", "old commit", "new commit"],
)
def test_the_revision_that_was_asked_for_is_the_one_that_comes(
    world: World, revision: str | None, commit: str
) -> None:
    world.hub.add(OTHER, OLD, OLD_FILES, ref="v1")
    world.hub.add(OTHER, NEW, NEW_FILES)
    checkpoint = find_checkpoint(OTHER, revision=revision)
    assert checkpoint.revision == commit
    assert contents(checkpoint.directory) == (OLD_FILES if commit == OLD else NEW_FILES)
    world.hub.requests.clear()
    assert find_checkpoint(OTHER, revision=revision, local_files_only=True).revision == commit
    assert world.hub.requests == []


def test_a_branch_that_moves_during_the_download_does_not_mix_two_commits(other: World) -> None:
    other.hub.add(OTHER, NEW, NEW_FILES, ref="next")
    other.hub.move_main = (OTHER, NEW)
    assert contents(find_checkpoint(OTHER).directory) in (OLD_FILES, NEW_FILES)


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_repository_that_lacks_a_required_file_is_refused_by_name(world: World, name: str) -> None:
    world.hub.add(OTHER, OLD, {key: content for key, content in FILES.items() if key != name})
    message = reason_of_failure(name_or_path=OTHER)
    assert message.startswith(f"{OTHER} is not on this machine and could not be fetched. Looked in: ")
    # the probe already asks for config.json
    reason = "not available: " if name == "config.json" else f"the repository has no {name} at revision {OLD}"
    assert f"Hugging Face Hub: {reason}" in message
    assert name in message
    assert "\n" not in message


def test_an_unknown_repository_and_an_unknown_revision_are_refused(other: World) -> None:
    assert "Repository Not Found" in reason_of_failure(name_or_path="nobody/nothing")
    message = reason_of_failure(name_or_path=OTHER, revision="v9")
    assert "Revision Not Found" in message
    assert f"run `minilm download --model {OTHER} --revision v9` where there is a network" in message
    assert other.pip.calls == []


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("local_files_only", [False, True], ids=["online", "offline"])
@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_a_cached_blob_is_refused(name: str, local_files_only: bool) -> None:
    blob = (find_checkpoint(OTHER).directory / name).resolve()
    assert blob.name == etag(name, OLD_FILES[name])  # sha256 for the weights, git's sha1 for the others
    flip(blob)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(OTHER, local_files_only=local_files_only)
    assert name in str(error.value)
    assert f"delete {blob} and run again" in str(error.value)


@pytest.mark.usefixtures("other")
def test_a_damaged_blob_comes_again_after_it_was_deleted() -> None:
    blob = (find_checkpoint(OTHER).directory / "model.safetensors").resolve()
    blob.unlink()
    assert contents(find_checkpoint(OTHER).directory) == OLD_FILES


def test_another_repository_that_cannot_be_written_is_refused_with_the_reason(
    other: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    message = reason_of_failure(name_or_path=OTHER, cache_folder=tmp_path / "file" / "cache")
    assert message.startswith(
        f"{OTHER} is not on this machine and could not be fetched. Looked in: Hugging Face Hub: config.json"
    )
    assert str(tmp_path / "file") in message
    assert "\n" not in message
    assert model_files(other.cache) == []


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_from_the_hub_is_refused_without_a_manifest_too(other: World, name: str) -> None:
    other.hub.damaged = {name}
    with pytest.raises(CheckpointError, match="is damaged"):
        find_checkpoint(OTHER)


def test_a_download_of_another_repository_that_breaks_off_is_no_checkpoint(
    other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_waiting(monkeypatch)
    other.hub.cut = {"model.safetensors"}
    assert "model.safetensors" in reason_of_failure(name_or_path=OTHER)
    assert "model.safetensors" in reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert not [path for path in model_files(other.cache) if path.name == "model.safetensors"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_offline_another_repository_comes_from_the_cache(
    other: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    directory = find_checkpoint(OTHER).directory
    other.hub.requests.clear()
    expected = hub.Checkpoint(directory, "Hugging Face cache", OTHER, OLD, verified=True)
    assert find_checkpoint(OTHER, **go_offline(how, monkeypatch)) == expected
    assert other.hub.requests == []


def test_a_hub_that_is_down_leaves_another_repository_to_the_cache(other: World) -> None:
    find_checkpoint(OTHER)
    other.hub.status = 503
    assert find_checkpoint(OTHER).source == "Hugging Face cache"


def test_offline_an_unknown_repository_is_refused_with_every_place(other: World) -> None:
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    place = snapshot(other.cache, OTHER, OLD).parent.parent
    assert message.startswith(
        f"{OTHER} is not on this machine and could not be fetched. Looked in: "
        "Hugging Face Hub: not asked, because offline use was requested; "
        f"Hugging Face cache ({place}): config.json of revision main is not there. "
        f"What to do: run `minilm download --model {OTHER}` where there is a network"
    )
    assert "\n" not in message
    assert other.hub.requests == []


@pytest.mark.parametrize("name", [name for name in OPTIONAL_FILES if name in FILES])
def test_offline_a_repository_of_which_a_file_may_be_missing_is_refused(other: World, name: str) -> None:
    # without its modules.json a model would be pooled wrongly, and nobody would notice
    find_checkpoint(OTHER)
    (snapshot(other.cache, OTHER, OLD) / name).unlink()
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert re.search(rf"{re.escape(name)} of revision \w+ is not there", message)


def test_offline_a_file_that_the_repository_is_known_to_lack_is_not_missed(world: World) -> None:
    bare = {name: FILES[name] for name in REQUIRED_FILES}
    world.hub.add(OTHER, OLD, bare)
    assert contents(find_checkpoint(OTHER).directory) == bare
    world.hub.requests.clear()
    assert contents(find_checkpoint(OTHER, local_files_only=True).directory) == bare
    assert world.hub.requests == []


def test_a_token_opens_a_gated_repository(
    other: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other.hub.gated = {OTHER: "hf_right"}
    for token in (None, False, "hf_wrong"):
        message = reason_of_failure(name_or_path=OTHER, token=token)
        assert message.startswith(f"{OTHER} is not on this machine")
        assert "Hugging Face Hub: not available: " in message
        assert "hf_" not in message
    assert other.hub.requests == [("HEAD", "config.json")] * 3  # only the requests of the probe
    assert find_checkpoint(OTHER, token="hf_right").verified
    set_constant(monkeypatch, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    for token, opens in ((None, True), (True, True), (False, False)):
        options: dict[str, Any] = {
            "name_or_path": OTHER,
            "token": token,
            "cache_folder": tmp_path / str(token),
        }
        if opens:
            assert contents(find_checkpoint(**options).directory) == OLD_FILES
        else:
            assert "Hugging Face Hub: not available: " in reason_of_failure(**options)


def test_the_revision_is_what_the_hub_is_asked_for_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hub.add(OTHER, OLD, OLD_FILES, ref="v1")
    asked = []

    def note(repo_id: str, revision: str, token: str | bool | None) -> NoReturn:
        asked.append((repo_id, revision, token))
        raise Unavailable

    monkeypatch.setattr(unpinned, "probe", note)
    reason_of_failure(name_or_path=OTHER, revision="v1", token="hf_x")
    assert asked == [(OTHER, "v1", "hf_x")]


def test_dense_modules_come_along_wherever_they_lie(world: World, tmp_path: Path) -> None:
    paths = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "a_Dense": "Dense"}
    modules = [
        {"name": path, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in paths.items()
    ]
    dense = {f"{n}_Dense/{name}": n.encode() for n in "2a" for name in ("config.json", "model.safetensors")}
    files = {**FILES, "modules.json": json.dumps(modules).encode(), **dense}
    world.hub.add(OTHER, OLD, files)
    checkpoint = find_checkpoint(OTHER)
    assert {name: (checkpoint.directory / name).read_bytes() for name in dense} == dense
    world.hub.requests.clear()
    find_checkpoint(OTHER, local_files_only=True)
    assert world.hub.requests == []
    copy = copy_checkpoint(checkpoint, tmp_path / "copy")
    assert {name: (copy / name).read_bytes() for name in dense} == dense
    (checkpoint.directory / "a_Dense" / "model.safetensors").unlink()
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert "a_Dense/model.safetensors of revision" in message


def test_offline_a_cache_folder_may_begin_with_a_tilde(
    other: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path, monkeypatch)
    find_checkpoint(OTHER, cache_folder="~/mine")
    other.hub.requests.clear()
    found = find_checkpoint(OTHER, cache_folder="~/mine", local_files_only=True)
    assert found.directory == snapshot(tmp_path / "mine", OTHER, OLD)
    assert other.hub.requests == []


@pytest.mark.usefixtures("other")
def test_a_cache_without_links_keeps_no_hashes_and_is_not_called_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not hasattr(constants, "HF_HUB_DISABLE_SYMLINKS"):
        pytest.skip("this huggingface_hub always makes links where the system can")
    set_constant(monkeypatch, "HF_HUB_DISABLE_SYMLINKS", True)
    checkpoint = find_checkpoint(OTHER)
    assert contents(checkpoint.directory) == OLD_FILES
    assert not checkpoint.verified


def test_files_may_stand_in_for_required_ones(world: World, tmp_path: Path) -> None:
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = json.dumps({"weight_map": parts}).encode()
    rare = {"vocab.txt": b"a", "model.safetensors.index.json": index, **dict.fromkeys(parts.values(), b"x")}
    files = {name: FILES[name] for name in FILES if name not in ("tokenizer.json", "model.safetensors")}
    world.hub.add(OTHER, OLD, files | rare)
    checkpoint = find_checkpoint(OTHER)
    copy = copy_checkpoint(checkpoint, tmp_path / "copy")
    for directory in (checkpoint.directory, copy):
        assert {name: (directory / name).read_bytes() for name in rare} == rare
    assert find_checkpoint(copy).directory == copy
