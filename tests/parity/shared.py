"""Data that may lie beside the repository and is not part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("MINILM_SHARED") or Path(__file__).resolve().parents[3] / "shared")


def shared_file(name: str, what: str) -> Path:
    """A shared file's path; the test is skipped, with the reason, where it is absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{what} is not here ({path}); MINILM_SHARED names the folder that holds {name}")
    return path
