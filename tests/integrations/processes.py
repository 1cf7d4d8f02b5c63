"""Programs in processes of their own, in which some packages cannot be found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def hide(*packages: str) -> str:
    """The first lines of a program that finds none of these packages."""
    return f"""
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: (
    None if name.partition(".")[0] in {packages} else find(name, *rest))
"""


def printed(program: str) -> Any:
    """The JSON that a program prints last."""
    # KeyBERT and DSPy import litellm, which would fetch a list of prices
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    finished = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout.splitlines()[-1])
