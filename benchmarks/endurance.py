"""What `python -m benchmarks.load --minutes 10` runs: mixed clients for minutes, some of which misbehave.

Each client asks for the vectors of 1 to 50 texts of 1 to 300 tokens, in turn by /embed and by /v1/embeddings,
over one open connection. It checks every vector of every answer. One request in 20 is left: the client closes
its connection in the middle of the body, or soon after it. One body in 100 is sent slowly. Which ones, and of
what texts, depends on the number of the client and of its request only.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from minilm import MiniLM

LEFT, SLOW = 0.05, 0.01  # of the requests
MOST_TEXTS, MOST_TOKENS = 50, 300
PIECES = 8  # of a slow body
# The last float32 digits may depend on the other texts of a pack: the largest difference measured was 3e-7.
BOUND = 1e-6
PATIENCE = 60.0  # seconds, after which a request without an answer is lost


class Texts(NamedTuple):
    """Texts, and the vector that the server must answer for each."""

    texts: list[str]
    vectors: np.ndarray[Any, np.dtype[np.float32]]


class Plan(NamedTuple):
    """One request."""

    path: str
    indices: list[int]
    kind: str  # "ordinary", "slow" or "left"
    sent: float  # the part of the body that a client sends before it leaves
    pause: float  # seconds, as a part of the longest pause


@dataclass
class Endured:
    """What became of the requests of all clients."""

    kinds: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    lost: list[str] = field(default_factory=list)  # the request, and why
    largest_error: float = 0.0
    seconds: list[float] = field(default_factory=list)  # of each ordinary request that was answered
    mib: list[tuple[float, float]] = field(default_factory=list)  # when, and the server's memory


def make_texts(model: MiniLM, sentences: Sequence[str], count: int) -> Texts:
    """Return texts of 1 to 300 tokens without the special ones, short ones more often than long ones."""
    generator = random.Random(0)
    tokenizer = Tokenizer.from_str(model.tokenizer.backend.to_str())
    tokenizer.no_truncation()
    words = [word for sentence in sentences for word in sentence.split()]
    texts = []
    for _ in range(count):
        wanted = round(MOST_TOKENS ** generator.random())
        start = generator.randrange(len(words))
        # a word has one token at least
        text = " ".join((words[start:] + words)[:wanted])
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        texts.append(text[: offsets[wanted - 1][1]])
    return Texts(texts, model.encode(texts))


def make_plan(generator: random.Random, number: int, texts: int) -> Plan:
    """Return a client's request of that number."""
    size = round(MOST_TEXTS ** generator.random())
    chance = generator.random()
    kind = "left" if chance < LEFT else "slow" if chance < LEFT + SLOW else "ordinary"
    return Plan(
        ("/embed", "/v1/embeddings")[number % 2],
        [generator.randrange(texts) for _ in range(size)],
        kind,
        # half of those that leave have sent all, and wait for their answer
        min(1.0, 2 * generator.random()),
        generator.random(),
    )


def request_of(plan: Plan, texts: Sequence[str]) -> tuple[bytes, bytes]:
    """The head and the body of a request."""
    inputs = [texts[index] for index in plan.indices]
    is_openai = plan.path == "/v1/embeddings"
    fields = {"input": inputs, "encoding_format": "base64"} if is_openai else {"inputs": inputs}
    body = json.dumps(fields).encode()
    head = f"POST {plan.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body


def vectors_of(plan: Plan, content: bytes) -> np.ndarray[Any, Any]:
    """The vectors of an answer (n, E)."""
    answer = json.loads(content)
    if plan.path == "/embed":
        return np.array(answer, np.float32)
    rows = sorted(answer["data"], key=lambda row: row["index"])
    return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in rows])


class Client:
    """One client, with one connection at a time."""

    def __init__(self, port: int, texts: Texts, endured: Endured, pause_seconds: float) -> None:
        self._port, self._texts, self._endured, self._pause = port, texts, endured, pause_seconds
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, plan: Plan) -> None:
        """Send one request, and check or leave its answer."""
        endured = self._endured
        endured.kinds[plan.kind] += 1
        head, body = request_of(plan, self._texts.texts)
        try:
            if self._connection is None:
                self._connection = await asyncio.open_connection("127.0.0.1", self._port)
            if plan.kind == "left":
                await self._leave(head + body[: int(plan.sent * len(body))], plan.pause * self._pause)
                return
            size = -(-len(body) // (PIECES if plan.kind == "slow" else 1))
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            content, seconds = await asyncio.wait_for(self._answer([head, *pieces]), PATIENCE)
            self._check(plan, content)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            endured.lost.append(f"{plan.path}, {len(plan.indices)} texts: {error!r}")
            await self.close()
            return
        endured.texts += len(plan.indices)
        if plan.kind == "ordinary":
            endured.seconds.append(seconds)

    async def _leave(self, sent: bytes, pause: float) -> None:
        assert self._connection
        self._connection[1].write(sent)
        await asyncio.sleep(pause)
        await self.close()

    async def _answer(self, pieces: Sequence[bytes]) -> tuple[bytes, float]:
        """The body of an answer, and the seconds that it took; ValueError if the status is not 200."""
        assert self._connection
        reader, writer = self._connection
        started = time.perf_counter()
        writer.write(b"".join(pieces[:2]))
        for piece in pieces[2:]:
            await asyncio.sleep(self._pause / 2)
            writer.write(piece)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split()[0]
        content = await reader.readexactly(int(length))
        if head.split()[1] != b"200":
            raise ValueError(f"{head.split()[1]!r} {content[:200]!r}")
        return content, time.perf_counter() - started

    def _check(self, plan: Plan, content: bytes) -> None:
        expected = self._texts.vectors[plan.indices]
        vectors = vectors_of(plan, content)
        if vectors.shape != expected.shape:
            raise ValueError(f"vectors of shape {vectors.shape}, not {expected.shape}")
        error = float(np.abs(vectors - expected).max())
        self._endured.largest_error = max(self._endured.largest_error, error)
        if not error <= BOUND:
            raise ValueError(f"a vector is wrong by {error}")

    async def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None


async def endure(
    port: int,
    texts: Texts,
    clients: int,
    *,
    seconds: float | None = None,
    requests: int | None = None,
    pause_seconds: float = 1.0,
    watch: Callable[[Endured], Awaitable[None]] | None = None,
) -> Endured:
    """Run clients for some seconds, or for some requests each; ``watch`` runs beside them."""
    endured, started = Endured(), time.perf_counter()

    async def run(number: int) -> None:
        client, generator, asked = Client(port, texts, endured, pause_seconds), random.Random(number), 0
        while asked != requests and (seconds is None or time.perf_counter() - started < seconds):
            await client.ask(make_plan(generator, asked, len(texts.texts)))
            asked += 1
        await client.close()

    watching = asyncio.ensure_future(watch(endured)) if watch else None
    await asyncio.gather(*map(run, range(clients)))
    if watching:
        watching.cancel()
    return endured


def watch_memory(pid: int) -> Callable[[Endured], Awaitable[None]]:
    """A watch that notes the memory of a process each second."""

    async def watch(endured: Endured) -> None:
        started = time.perf_counter()
        while True:
            pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
            mib = pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
            endured.mib.append((time.perf_counter() - started, mib))
            await asyncio.sleep(1)

    return watch


async def counters(port: int) -> Mapping[str, float]:
    """The server's metrics; those of a status by ``status=NUMBER``, over all routes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    lines = (await reader.read()).decode().partition("\r\n\r\n")[2].splitlines()
    writer.close()
    found: dict[str, float] = defaultdict(float)
    for name, value in (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")):
        if name.startswith("minilm_requests_total"):
            found["status=" + name.rpartition('status="')[2].rstrip('"}')] += float(value)
        elif "{" not in name:
            found[name] = float(value)
    return found


def summarize(endured: Endured, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The figures of a run, as they are written and printed."""
    p50, p99 = np.percentile(endured.seconds, [50, 99]) * 1000
    minutes: dict[int, list[float]] = defaultdict(list)
    for when, mib in endured.mib:
        minutes[int(when // 60)].append(mib)
    return {
        "requests": sum(endured.kinds.values()),
        "ordinary": endured.kinds["ordinary"],
        "slow": endured.kinds["slow"],
        "left": endured.kinds["left"],
        "lost": len(endured.lost),
        "vectors": endured.texts,
        "largest_error": endured.largest_error,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "tokens_encoded": metrics["minilm_batch_tokens_sum"],
        "tokens_saved": metrics["minilm_cancelled_tokens_total"],
        "cancelled_in_the_queue": metrics["minilm_cancelled_requests_total"],
        "status_499": metrics["status=499"],
        "queue_tokens_at_the_end": metrics["minilm_queue_tokens"],
        "mib_by_minute": [float(np.median(minutes[minute])) for minute in sorted(minutes)],
    }
