"""hub/repositories.py: repositories without a manifest."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub
import pytest
from huggingface_hub import constants

from minilm import CheckpointError, hub
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, copy_checkpoint, find_checkpoint, repositories
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

    monkeypatch.setattr(repositories, "probe", note)
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


# Caches that huggingface_hub's own download of a whole repository filled, and others

BARE = {name: OLD_FILES[name] for name in REQUIRED_FILES}  # a cross-encoder, or BERT itself
WHOLE = {".gitattributes": b"", "README.md": b"", **BARE}


def download(world: World, files: Mapping[str, bytes], **options: Any) -> Path:
    """Publish a repository, download it as others do, and return its folder in the cache."""
    world.hub.add(OTHER, OLD, files)
    options = {"max_workers": 1, **options}  # without links, its threads race for two files of one content
    directory = huggingface_hub.snapshot_download(OTHER, cache_dir=world.cache, **options)
    world.hub.status = 503  # from now on the cache must do
    return Path(directory).parent.parent


def forget(cache: Path, *names: str) -> None:
    """Remove what an older release does not write, or files of the snapshot."""
    for name in names:
        for path in cache.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    lists = getattr(huggingface_hub, "_tree_cache", None)
    if lists is not None:  # they are kept in memory as well
        lists._IN_MEMORY_TREE_CACHE.clear()


def has_lists() -> bool:
    """Whether this huggingface_hub keeps the list of a commit's files."""
    return hasattr(huggingface_hub, "get_cached_repo_tree")


@pytest.mark.parametrize("files", [WHOLE, {**WHOLE, **OLD_FILES}], ids=["bare", "with modules"])
@pytest.mark.parametrize("old", [False, True], ids=["with the list of files", "older"])
@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_what_a_whole_download_lacks_is_absent(
    world: World, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, bytes], old: bool, links: bool
) -> None:
    if hasattr(constants, "HF_HUB_DISABLE_SYMLINKS"):
        set_constant(monkeypatch, "HF_HUB_DISABLE_SYMLINKS", not links)
    cache = download(world, files)
    if old:
        forget(cache, "trees")
    found = find_checkpoint(OTHER, local_files_only=True)
    assert contents(found.directory) == {name: files[name] for name in FILES if name in files}
    assert find_checkpoint(OTHER) == found  # a Hub that is down
    assert find_checkpoint(OTHER, revision=OLD).directory == found.directory


@pytest.mark.parametrize(
    "name", ["modules.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors"]
)
def test_a_file_that_the_list_has_and_the_cache_lacks_is_named(world: World, name: str) -> None:
    if not has_lists():
        pytest.skip("this huggingface_hub keeps no list of a commit's files")
    modules = b'[{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "1_Pooling"}]'
    download(world, {**WHOLE, **OLD_FILES, "modules.json": modules}, ignore_patterns=[name])
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert f"{name} of revision {OLD} is not there, but the repository has it" in message
    assert f"run `hf download {OTHER}` to complete the cache" in message


def test_a_loader_that_did_not_ask_for_modules_leaves_them_unknown(world: World) -> None:
    # transformers asks for a chat template, and not for modules.json
    cache = download(world, {name: WHOLE[name] for name in REQUIRED_FILES})
    forget(cache, "trees")
    fill(cache / ".no_exist" / OLD, {"chat_template.jinja": b""})
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert f"modules.json of revision {OLD} is not there, and the cache does not say" in message
    fill(cache / ".no_exist" / OLD, {"modules.json": b"", "tokenizer_config.json": b""})
    assert contents(find_checkpoint(OTHER, local_files_only=True).directory) == BARE
    forget(cache, ".no_exist/*/modules.json")
    fill(cache / "snapshots" / OLD, {".gitattributes": b""})
    assert contents(find_checkpoint(OTHER, local_files_only=True).directory) == BARE
    fill(cache / "blobs", {"0.incomplete": b""})  # a download broke off
    assert "modules.json of revision" in reason_of_failure(name_or_path=OTHER, local_files_only=True)


def test_a_cache_that_says_nothing_of_modules_is_reported(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    cache = download(world, BARE)
    forget(cache, "trees")
    assert contents(find_checkpoint(OTHER, local_files_only=True).directory) == BARE
    (message,) = caplog.messages
    assert message.startswith(f"{OTHER}: the cache has no modules.json, and does not say whether the")
    assert f"run `hf download {OTHER}`" in message
    fill(cache / "snapshots" / OLD, {"1_Pooling/config.json": b"{}"})
    assert "files that go with it are" in reason_of_failure(name_or_path=OTHER, local_files_only=True)


def test_a_broken_link_is_not_an_absent_file(world: World) -> None:
    cache = download(world, {**WHOLE, "tokenizer_config.json": b"{}"})
    forget(cache, "trees")
    (cache / "snapshots" / OLD / "tokenizer_config.json").resolve().unlink()
    message = reason_of_failure(name_or_path=OTHER, revision="main", local_files_only=True)
    assert "tokenizer_config.json of revision" in message
    assert "it is a broken link" in message


def test_without_its_branch_a_cache_says_which_commits_it_has(world: World) -> None:
    cache = download(world, WHOLE)
    forget(cache, "refs")
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert f"revision main is not there, only revision={OLD!r}." in message
    assert find_checkpoint(OTHER, revision=OLD, local_files_only=True).revision == OLD


def test_of_several_commits_the_branchs_counts(world: World) -> None:
    for commit, files in ((OLD, OLD_FILES), (NEW, NEW_FILES)):
        world.hub.add(OTHER, commit, {".gitattributes": b"", **files})
        huggingface_hub.snapshot_download(OTHER, cache_dir=world.cache)
    for revision, expected in ((None, NEW_FILES), (NEW, NEW_FILES), (OLD, OLD_FILES)):
        found = find_checkpoint(OTHER, revision=revision, local_files_only=True)
        assert contents(found.directory) == expected


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may become nobody")
def test_a_cache_that_may_only_be_read_is_enough(world: World) -> None:
    root = Path(tempfile.mkdtemp())  # nobody may not enter pytest's own folder
    world.hub.add(OTHER, OLD, WHOLE)
    huggingface_hub.snapshot_download(OTHER, cache_dir=root)
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    hub.default_manifest()  # it is read once, from pytest's folder
    os.seteuid(65534)
    try:
        offline = find_checkpoint(OTHER, cache_folder=root, local_files_only=True, token=False)
        if has_lists():  # older releases of huggingface_hub write a mark for each absent file
            assert find_checkpoint(OTHER, cache_folder=root, token=False).directory == offline.directory
        with pytest.raises(PermissionError):
            (root / "new").touch()
    finally:
        os.seteuid(0)
        for path in (root, *root.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(root)
    assert offline.revision == OLD


# The files that a repository's own files name

LAYOUTS: dict[str, tuple[str, dict[str, bytes]]] = {
    "a folder for the encoder": (
        "0_Transformer/",
        {
            "0_Transformer/config.json": b"{}",
            "0_Transformer/vocab.txt": b"[PAD]",
            "0_Transformer/model.safetensors": b"w",
            "0_Transformer/sentence_bert_config.json": b"{}",
            "0_Transformer/tokenizer_config.json": b"{}",
            "pool/config.json": b"{}",
            "modules.json": json.dumps(
                [
                    {"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
                    {"path": "pool", "type": "sentence_transformers.models.Pooling"},
                ]
            ).encode(),
        },
    ),
    "shards, words and an older name": (
        "",
        {
            "config.json": b"{}",
            "vocab.txt": b"[PAD]",
            "special_tokens_map.json": b"{}",
            "added_tokens.json": b"{}",
            "model.safetensors.index.json": json.dumps(
                {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "../../x"}}
            ).encode(),
            "model-1.safetensors": b"1",
            "model-2.safetensors": b"2",
            "sentence_roberta_config.json": b"{}",
            "modules.json": json.dumps(
                [
                    {"path": "", "type": "sentence_transformers.base.modules.Transformer"},
                    {"path": "p", "type": "sentence_transformers.sentence_transformer.modules.Pooling"},
                    {"path": "2_LayerNorm", "type": "sentence_transformers.models.LayerNorm"},
                    {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
                ]
            ).encode(),
            "p/config.json": b"{}",
            "2_LayerNorm/config.json": b"{}",
            "2_LayerNorm/model.safetensors": b"3",
        },
    ),
}


@pytest.mark.parametrize(("folder", "files"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("top", [{}, {"config.json": b'{"__version__": "2.0.0"}'}], ids=["", "config at top"])
def test_the_files_that_a_repository_names_are_fetched_and_copied(
    world: World, tmp_path: Path, folder: str, files: dict[str, bytes], top: dict[str, bytes]
) -> None:
    # equal contents would be fetched once
    files = {
        name: content if content != b"{}" else f'{{"{name}": 0}}'.encode() for name, content in files.items()
    }
    unused = {
        "pytorch_model.bin": b"1 unused",
        "1_Pooling/config.json": b"2 unused",
        "onnx/model.onnx": b"3 unused",
        ".gitattributes": b"4 unused",
    }
    world.hub.add(OTHER, OLD, {**unused, **top, **files} if folder else {**unused, **files})
    checkpoint = find_checkpoint(OTHER)
    assert (checkpoint.revision, checkpoint.verified) == (OLD, True)
    fetched = {name for method, name in world.hub.requests if method == "GET"}
    assert fetched - {"config.json"} == {*files} - {"config.json"}
    world.hub.requests.clear()
    assert find_checkpoint(OTHER, local_files_only=True).directory == checkpoint.directory
    assert world.hub.requests == []
    copy = copy_checkpoint(checkpoint, tmp_path / "copy")
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()} >= {*files}
    assert find_checkpoint(copy).directory == copy
    # what a whole download brings is the same
    forget(checkpoint.directory.parent.parent, ".no_exist", "snapshots", "refs", "blobs")
    huggingface_hub.snapshot_download(OTHER, cache_dir=world.cache)
    world.hub.requests.clear()
    found = find_checkpoint(OTHER, local_files_only=True)
    assert {name: (found.directory / name).read_bytes() for name in files} == files
    # a missing shard, or file of a module, is named
    missing = "model-2.safetensors" if not folder else "0_Transformer/config.json"
    (found.directory / missing).unlink()
    assert f"{missing} of revision {OLD} is not there" in reason_of_failure(
        name_or_path=OTHER, local_files_only=True
    )
