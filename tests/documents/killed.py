"""An update that is killed at a chosen place. It is no fork, which LanceDB's threads would not survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, signal, sys
from minilm import Documents, MiniLM
from minilm import _files
from minilm.documents import known, spool, update
path, owner, name = sys.argv[1:]
owners = {"files": _files, "known": known, "update": update, "Spool": spool.Spool}
setattr(owners[owner], name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
Documents("n.lance", MiniLM(threads=1)).update(path)
"""


def killed_update(path: str, owner: str, name: str) -> None:
    """Update n.lance from a path, and end by SIGKILL where the function is called, in place of the call."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run([sys.executable, "-c", PROGRAM, path, owner, name], env=environment, check=False)
    assert result.returncode == -signal.SIGKILL
