"""Memory, file handles and threads do not grow with the number of calls and requests."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.parity.texts import PLAIN
from tests.serving import Server

CALLS = int(os.environ.get("MINILM_LEAK_CALLS", "1000"))  # calls of encode; long runs make ten times as many
REQUESTS = int(os.environ.get("MINILM_LEAK_REQUESTS", "2000"))  # long runs send fifty times as many

# What malloc keeps for itself varies by 16 MiB from call to call, so the process that encodes gives it back
# before it is measured; 2 MiB of difference remain. A leak of one vector per call (1.5 KiB) shows at 6,000
# calls, a leak of a text's hidden states (10 KiB and more) at 1,000.
GROWTH_MIB = 8.0

# A leak grows each time. What a thread touches for the first time, such as its buffer in BLAS, grows once.
TIMES = 3

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="only Linux's /proc tells what a process holds"
)


class Held(NamedTuple):
    """The memory, handles and threads of a process."""

    mib: float
    handles: int
    threads: int


def held(pid: int | str = "self") -> Held:
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    return Held(
        pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20),
        len(list((process / "fd").iterdir())),
        len(list((process / "task").iterdir())),
    )


def settled(hold: Callable[[], Held], before: Held | None = None) -> Held:
    """What a process holds after its connections are closed and its threads have ended.

    Waits up to a minute while there is more than ``before``.
    """
    seen: list[Held] = []
    while len(seen) < 40 or (before and not is_within(before, seen) and len(seen) < 3000):
        time.sleep(0.02)
        seen.append(hold())
    return Held(seen[-1].mib, min(one.handles for one in seen), min(one.threads for one in seen))


def grown(use: Callable[[], object], hold: Callable[[], Held]) -> tuple[Held, Held]:
    """What a process holds before and after some use; of several times the last, if all have grown."""
    after = settled(hold)
    for _ in range(TIMES):
        before = after
        use()
        after = settled(hold, before)
        if after.mib - before.mib < GROWTH_MIB:
            break
    return before, after


def texts(count: int) -> list[str]:
    """Texts of 1 to 20 words, the same ones each time."""
    generator = random.Random(0)
    words = [word for text in PLAIN for word in text.split()]
    return [" ".join(generator.choices(words, k=generator.randint(1, 20))) for _ in range(count)]


def is_within(before: Held, seen: list[Held]) -> bool:
    return min(s.handles for s in seen) <= before.handles and min(s.threads for s in seen) <= before.threads


def check(before: Held, after: Held) -> None:
    assert after.handles <= before.handles
    assert after.threads <= before.threads
    assert after.mib - before.mib < GROWTH_MIB


ENCODING = """
import ctypes, json
from minilm import MiniLM
from tests.promises.test_leaks import CALLS, grown, held, texts
give_back = getattr(ctypes.CDLL(None), "malloc_trim", lambda keep: None)  # glibc has it, musl keeps nothing
def hold():
    give_back(0)
    return held()
model, given = MiniLM(), texts(200)
def use(calls):
    for call in range(calls):
        if call % 10:
            model.encode(given[call % len(given)])
        else:
            model.encode(given[: call % 37 + 1])
use(800)
print(json.dumps(grown(lambda: use(CALLS), hold)))
"""


@pytest.mark.usefixtures("without_coverage")  # which keeps what it sees
def test_calls_of_encode_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    # a process of its own, so that the garbage of other tests does not count
    done = subprocess.run(
        [sys.executable, "-c", ENCODING],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (Held(*numbers) for numbers in json.loads(done.stdout))
    with capsys.disabled():
        if "MINILM_LEAK_CALLS" in os.environ:
            print(f"\n{CALLS:,} calls: {before} -> {after}")
    check(before, after)


def test_requests_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    server = Server("--threads", "1")
    try:
        host, port = urlsplit(server.url).hostname or "", urlsplit(server.url).port

        def client(requests: int) -> None:
            connection = http.client.HTTPConnection(host, port)
            given = [text[:40] for text in texts(50)]  # the encoder is slow, and is not what is tested
            for number in range(requests):
                paths = ("/v1/embeddings", {"input": given[number % 50]}), ("/embed", {"inputs": given[:3]})
                bad = "/v1/embeddings", {"input": None}  # refused requests must leave nothing behind either
                path, body = bad if number % 20 == 0 else paths[number % 2]
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == (200 if number % 20 else 400)
            connection.close()

        def use(requests: int) -> None:
            clients = [threading.Thread(target=client, args=(requests // 4,)) for _ in range(4)]
            for one in clients:
                one.start()
            for one in clients:
                one.join()

        def hold() -> Held:
            server.ask("/health")
            return held(server.process.pid)

        use(600)
        before, after = grown(lambda: use(REQUESTS), hold)
    finally:
        assert server.stop() == 0
    with capsys.disabled():
        if "MINILM_LEAK_REQUESTS" in os.environ:
            print(f"\n{REQUESTS:,} requests: {before} -> {after}")
    check(before, after)
