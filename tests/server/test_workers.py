"""minilm/server/workers.py: workers share a port, are replaced when they die, and end together."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.serving import Server

if not Path("/proc/self/task").exists():
    pytest.skip("no /proc, which names the workers", allow_module_level=True)


def test_a_worker_that_dies_is_replaced_and_all_end_together() -> None:
    server = Server("--workers", "2", "--access-log", "json")
    assert server.process.stderr
    status, vectors, _ = server.ask("/embed", {"inputs": "one text"})
    assert status == 200
    assert abs(sum(x * x for x in vectors[0]) - 1) < 1e-5  # float32, printed with all its digits
    server.process.stderr.readline()  # of the access log
    status, error, _ = server.ask("/metrics")
    assert (status, error["error"]["code"]) == (404, "no_metrics")
    server.process.stderr.readline()
    parent = server.process.pid
    first, second = map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    os.kill(first, signal.SIGKILL)
    line = server.process.stderr.readline()
    assert re.fullmatch(rf"minilm: worker {first} was ended by SIGKILL; another takes its place\n", line)
    assert server.ask("/health")[0] == 200
    assert server.stop() == 0
    for process in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
