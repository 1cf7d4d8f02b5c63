"""docs/operation: the unit and the Containerfile pass the linters of their formats."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / "docs" / "operation"


def complaints(program: str, *arguments: str) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return result.stdout + result.stderr if result.returncode else result.stderr


def test_systemd_accepts_the_unit() -> None:
    assert complaints("systemd-analyze", "verify", str(FILES / "minilm.service")) == ""


def test_systemd_finds_the_unit_hardened() -> None:
    # systemd calls 2.0 of 10 and less "OK", and a unit without any protection 9.6
    unit = str(FILES / "minilm.service")
    assert complaints("systemd-analyze", "security", "--offline=true", "--threshold=20", unit) == ""


def test_hadolint_accepts_the_containerfile() -> None:
    assert complaints("hadolint", "--no-color", str(FILES / "Containerfile")) == ""
