"""The command run from a test, in this process or in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minilm.cli.main import main

A, B = "A girl is styling her hair.", "A girl is brushing her hair."


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a user runs it, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "minilm", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on stderr of a command that must fail."""
    capsys.readouterr()  # what an earlier command said
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("minilm: ")
    return code, captured.err.removeprefix("minilm: ").strip()
