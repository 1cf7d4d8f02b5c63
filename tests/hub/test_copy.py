"""hub/copy.py: a copy for a machine without a network."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minilm import CheckpointError
from minilm.hub import REQUIRED_FILES, copy_checkpoint, find_checkpoint
from tests.hub.world import (
    FILES,
    NEW,
    NEW_FILES,
    OLD_FILES,
    OTHER,
    World,
    contents,
    fill,
    flip,
    leftovers,
    model_files,
)


def test_a_copy_is_complete_and_stands_alone(world: World, tmp_path: Path) -> None:
    target = copy_checkpoint(find_checkpoint(), tmp_path / "deep" / "copy")
    assert target == tmp_path / "deep" / "copy"
    assert contents(target) == FILES
    assert leftovers(target) == []
    shutil.rmtree(world.stored)
    assert find_checkpoint(target).directory == target


@pytest.mark.usefixtures("world")
def test_a_copy_repairs_a_target_that_exists_already(tmp_path: Path) -> None:
    flip(fill(tmp_path / "copy") / "model.safetensors")
    (tmp_path / "copy" / "tokenizer.json").unlink()
    assert contents(copy_checkpoint(find_checkpoint(), tmp_path / "copy")) == FILES


@pytest.mark.usefixtures("world")
def test_a_copy_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    """A running service may read the files."""
    target = copy_checkpoint(find_checkpoint(), tmp_path / "copy")
    before = {name: (target / name).stat().st_ino for name in FILES}
    copy_checkpoint(find_checkpoint(), target)
    assert {name: (target / name).stat().st_ino for name in FILES} == before


def test_a_copy_leaves_nothing_of_the_model_that_was_there_before(world: World, tmp_path: Path) -> None:
    # the modules.json of a bge model would change the pooling of the new model
    bare = {name: NEW_FILES[name] for name in REQUIRED_FILES}
    world.hub.add(OTHER, NEW, bare)
    copy_checkpoint(find_checkpoint(), tmp_path / "copy")
    assert contents(copy_checkpoint(find_checkpoint(OTHER), tmp_path / "copy")) == bare


def test_a_copy_that_is_killed_at_any_moment_is_one_model_or_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hub.add(OTHER, NEW, bare := {name: NEW_FILES[name] for name in REQUIRED_FILES})
    default, newcomer = find_checkpoint(), find_checkpoint(OTHER)
    changes = 0  # number of changes to the disk that are still allowed

    def count_down(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*arguments: object, **options: object) -> None:
            nonlocal changes
            if changes <= 0:  # a killed process does not clean up either
                raise KeyboardInterrupt
            changes -= 1
            change(*arguments, **options)

        return changed

    found: list[dict[str, bytes]] = []
    for allowed in range(40):
        target = copy_checkpoint(default, tmp_path / f"{allowed}")
        changes = allowed
        with monkeypatch.context() as killing:
            for change in ("replace", "unlink"):
                killing.setattr(Path, change, count_down(getattr(Path, change)))
            try:
                copy_checkpoint(newcomer, target)
                finished = True
            except KeyboardInterrupt:
                finished = False
        try:
            found.append(contents(find_checkpoint(target).directory))
        except CheckpointError as error:
            assert str(error) == f"{target} is not a complete checkpoint: config.json is missing"  # noqa: PT017
        assert contents(copy_checkpoint(newcomer, target)) == bare
        if finished:
            break
    assert found == [FILES, bare]  # before the first change, and after the last
    assert finished
    assert allowed >= 6  # three files are added, config.json and two others are removed


@pytest.mark.usefixtures("other")
def test_a_copy_of_another_repository_has_files_instead_of_links(tmp_path: Path) -> None:
    target = copy_checkpoint(find_checkpoint(OTHER), tmp_path / "copy")
    assert contents(target) == OLD_FILES
    assert not [path for path in model_files(target) if path.is_symlink()]


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_source_that_was_damaged_meanwhile_is_not_copied(world: World, tmp_path: Path, damage: str) -> None:
    checkpoint = find_checkpoint()
    if damage == "flipped":
        flip(world.stored / "tokenizer.json")
    else:
        (world.stored / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is (damaged|missing)"):
        copy_checkpoint(checkpoint, tmp_path / "copy")
    assert model_files(tmp_path / "copy") == []


@pytest.mark.usefixtures("world")
def test_a_copy_that_breaks_off_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = find_checkpoint()
    copyfile = shutil.copyfile

    def fill_the_disk(source: Path, target: Path) -> None:
        copyfile(source, target)
        if source.name == "model.safetensors":
            os.truncate(target, 10)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        copy_checkpoint(checkpoint, tmp_path / "copy")
    assert model_files(tmp_path / "copy") == []
    assert leftovers(tmp_path / "copy") == []
