"""The command in processes whose environment lacks something, and what all such tests expect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minilm as package

ROOT = Path(package.__file__).parents[1]
A, B = "A girl is styling her hair.", "A girl is brushing her hair."
SCORE = b"Score: 0.8052\n"
NO_CACHE = dict.fromkeys(("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"), None)

posix = pytest.mark.skipif(os.name != "posix", reason="descriptors and signals as POSIX has them")

# A program that takes away what Python lacks on Windows, and one that then runs the command.
LACKING = """
import asyncio, logging, multiprocessing, os, random, signal, socket, subprocess, sys, threading
lacking = (os, "fork register_at_fork"), (signal, "SIGHUP pthread_kill alarm"), (socket, "AF_UNIX")
for module, names in lacking:
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""
WITHOUT = f"""{LACKING}
from minilm.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(*command: str | bytes, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    """A process in this one's environment but for the variables given; None takes one away."""
    env = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    return subprocess.run(command, input=b"", capture_output=True, check=False, env=env)


def minilm(*arguments: str | bytes, **environment: str | None) -> subprocess.CompletedProcess[bytes]:
    return run(sys.executable, "-m", "minilm", *arguments, **environment)
