"""How a checkpoint must be refused, and the means to spoil one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import minilm
from minilm import CheckpointError, MiniLM
from minilm.cli.main import main

Header = dict[str, Any]

# A path, and at most eight faults of a tensor's name and two shapes each.
LONGEST_MESSAGE = 1500

NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "nothing but null bytes": bytes(10),
    "cut off": b'{"a": ',
    "not UTF-8": b'{"a": "\xff"}',
    "a lone number": b"7",
    "null": b"null",
    "NaN": b"NaN",
    "a number of 5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "lists in lists": b"[" * 100_000,
    "objects in objects": b'{"a":' * 100_000,
    "a YAML": b"a: 1\n",
    "HTML": b"<!DOCTYPE html>\n<html>Not Found</html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
}


class Refusal:
    """Loads what must be refused, as a program does and as the command does; the one line that says why."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, directory: Path, file: str) -> str:
        with pytest.raises(CheckpointError) as error:
            MiniLM(directory)
        message = str(error.value)
        assert type(error.value) is CheckpointError
        assert message.startswith(str(directory / file if file else directory))
        assert message.isprintable()
        assert len(message) < LONGEST_MESSAGE
        self._capfd.readouterr()
        assert main(["compare", "a", "b", "--model", str(directory)]) == 1
        captured = self._capfd.readouterr()
        assert captured.out == ""
        # the same file; which of two tensors that overlap is named is not always the same
        assert captured.err.startswith(f"minilm: {directory / file if file else directory}")
        assert captured.err.count("\n") == 1
        return message.removeprefix(str(directory)).lstrip("/")


def split(directory: Path) -> tuple[Header, bytes]:
    """The header of a checkpoint's weights, and their bytes."""
    content = (directory / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header: Header | bytes, body: bytes, *, length: int | None = None) -> bytes:
    """A safetensors file of a header and bytes, which may say of its header another length than it has."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(encoded) if length is None else length).to_bytes(8, "little") + encoded + body


def put(directory: Path, content: bytes) -> Path:
    (directory / "model.safetensors").write_bytes(content)
    return directory


def change_json(path: Path, change: Callable[[Any], object]) -> None:
    """Let ``change`` alter the JSON value in a file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Fail instead of hanging, where the system has alarms."""
    signal = pytest.importorskip("signal")
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def fail(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} seconds")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def in_child(code: str, *arguments: object, cwd: Path) -> str:
    """What a process of its own prints, which must end well and say nothing on stderr."""
    package = Path(minilm.__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout
