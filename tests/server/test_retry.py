"""minilm/server/retry.py: clients that find the queue full come back one after another, and are served."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

import openai
import uvicorn

from minilm import MiniLM
from minilm.server import batching
from minilm.server.app import create_app
from minilm.server.batching import BATCH_TOKENS, Batcher
from minilm.server.retry import MAX_SECONDS, MIN_SECONDS, RetryTimes
from minilm.server.service import Service
from minilm.server.settings import ServerSettings

PATIENCE = 60.0  # seconds; no test passes by waiting this long
CLIENTS = 12
TRIES = 3  # of OpenAI's clients at their defaults
TOKENS = 100


def test_the_time_is_a_whole_number_of_seconds_and_one_of_milliseconds() -> None:
    times = RetryTimes(clock=lambda: 5.0, uniform=lambda low, _: low)
    first, second = times.refusal(400, 500), times.refusal(100, 500)
    # three times 0.5 s for what is ahead, and for the second three times 0.4 s for the first
    assert (first.seconds, second.seconds) == pytest.approx((1.5, 2.7))
    assert first.headers == {"Retry-After": "2", "Retry-After-Ms": "1500"}
    assert second.headers == {"Retry-After": "3", "Retry-After-Ms": "2700"}
    assert first.detail == "the queue is full; try again in 2 s"
    assert (first.status_code, first.code) == (503, "queue_full")


def test_the_time_follows_the_speed_and_a_batch_that_takes_long() -> None:
    now = 0.0

    def seconds(tokens: int) -> float:
        return times.refusal(0, tokens).seconds

    times = RetryTimes(clock=lambda: now, uniform=lambda low, _: low)
    times.begin_batch(1000)
    now = 0.1
    assert seconds(1000) == pytest.approx(3.0)  # the guess, until the batch has taken longer
    now = 10.0
    assert seconds(1000) == pytest.approx(30.0)
    times.end_batch()
    now = 100.0  # all turns have passed
    assert seconds(100) == pytest.approx(3.0)
    now = 200.0
    times.begin_batch(1000)
    now = 200.5
    times.end_batch()
    assert seconds(1000) == pytest.approx(1.5)


def test_nobody_is_told_to_wait_longer_than_clients_obey_and_the_last_are_spread() -> None:
    times = RetryTimes(clock=lambda: 0.0, uniform=random.Random(0).uniform)
    seconds = [times.refusal(1000, 10**6).seconds for _ in range(200)]
    assert MAX_SECONDS / 2 <= min(seconds) < max(seconds) <= MAX_SECONDS
    assert len({round(value, 1) for value in seconds}) > 100
    empty = RetryTimes(clock=lambda: 0.0, uniform=random.Random(0).uniform)
    assert MIN_SECONDS <= empty.refusal(1, 0).seconds < MIN_SECONDS + 0.01


@pytest.mark.parametrize("room", [TOKENS, 3 * TOKENS - 1, 6 * TOKENS])
@pytest.mark.parametrize("tokens_per_second", [1_000, 10_000])
@pytest.mark.parametrize("noise", [0, 0.3])
def test_of_twelve_clients_that_come_at_once_none_fails_in_three_tries(
    room: int, tokens_per_second: float, noise: float
) -> None:
    """A simulation, in which a batch takes longer or shorter by ``noise`` than the one before it."""
    assert [failures(seed, room, tokens_per_second, noise) for seed in range(200)] == [0] * 200


def failures(seed: int, room: int, tokens_per_second: float, noise: float) -> int:
    """How many of the clients give up."""
    generator, now = random.Random(seed), 0.0
    times = RetryTimes(clock=lambda: now, uniform=random.Random(seed + 1).uniform)
    arrivals = [(0.0, client, 1) for client in range(CLIENTS)]  # when, who, which try
    waiting = encoded = failed = 0
    end = float("inf")  # of the batch
    while arrivals or waiting:
        if arrivals and arrivals[0][0] < end:
            now, client, number = heapq.heappop(arrivals)
            if waiting + TOKENS <= room:
                waiting += TOKENS
            elif number == TRIES:
                failed += 1
            else:
                ahead = min(waiting, waiting + TOKENS - room + BATCH_TOKENS)
                later = now + times.refusal(TOKENS, ahead).seconds
                heapq.heappush(arrivals, (later, client, number + 1))
        else:
            now, end, waiting = end, float("inf"), waiting - encoded
            times.end_batch()
        if waiting and end == float("inf"):
            encoded = waiting
            times.begin_batch(encoded)
            end = now + encoded / tokens_per_second * generator.uniform(1 - noise, 1 + noise)
    return failed


class VirtualTime:
    """The time of the clients' pauses and of the encoder: it moves on when all wait for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[tuple[float, int, asyncio.Future[None]]] = []
        self.in_queue = 0  # requests in the queue, in the encoder, or just answered
        self.batch_end: float | None = None
        self._condition = threading.Condition()
        self._numbers = itertools.count()

    async def sleep(self, seconds: float) -> None:
        """In place of ``anyio.sleep``, with which OpenAI's client pauses."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self.pauses, (self.now + seconds, next(self._numbers), future))
        await future

    def encode(self, batch: Sequence[Sequence[int]]) -> list[Any]:
        """In place of the encoder: a hundredth of a second per token."""
        with self._condition:
            self.batch_end = self.now + sum(map(len, batch)) / 100
            assert self._condition.wait_for(lambda: self.now >= (self.batch_end or 0), PATIENCE)
            self.batch_end = None
        return [np.ones(384, np.float32)] * len(batch)

    async def run(self, clients: list[asyncio.Task[Any]]) -> None:
        """Move on until all clients have ended."""
        while alive := [client for client in clients if not client.done()]:
            all_wait = len(self.pauses) + self.in_queue == len(alive)
            if all_wait and (not self.in_queue or self.batch_end is not None):
                ends = [] if self.batch_end is None else [self.batch_end]
                with self._condition:
                    self.now = min([*ends, *(when for when, _, _ in self.pauses)])
                    if self.batch_end is not None and self.batch_end <= self.now:
                        self._condition.notify_all()
                while self.pauses and self.pauses[0][0] <= self.now:
                    heapq.heappop(self.pauses)[2].set_result(None)
            await asyncio.sleep(0)


@pytest.mark.parametrize("room", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_twelve_real_clients_at_their_defaults_are_all_served(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch, room: int, seed: int
) -> None:
    """By a queue that has room for so many of their requests."""
    virtual, encode = VirtualTime(), Batcher.encode

    async def counted(batcher: Batcher, items: Any) -> Any:
        virtual.in_queue += 1
        try:
            return await encode(batcher, items)
        finally:
            virtual.in_queue -= 1

    def retry_times() -> RetryTimes:
        return RetryTimes(clock=lambda: virtual.now, uniform=random.Random(seed).uniform)

    monkeypatch.setattr(Batcher, "encode", counted)
    monkeypatch.setattr(batching, "RetryTimes", retry_times)
    monkeypatch.setattr(Service, "_encode", lambda _, batch: virtual.encode(batch))
    monkeypatch.setattr("anyio.sleep", virtual.sleep)
    text = "word " * 8  # and two special tokens
    app = create_app(model, ServerSettings(max_queue_tokens=10 * room))

    async def run() -> list[int]:
        config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        clients = [
            openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") for _ in range(CLIENTS)
        ]
        try:
            requests = [
                asyncio.create_task(client.embeddings.create(model="any", input=text)) for client in clients
            ]
            await asyncio.wait_for(virtual.run(requests), PATIENCE)
            return [len((await request).data) for request in requests]
        finally:
            for client in clients:
                await client.close()
            await server.shutdown()

    assert asyncio.run(run()) == [1] * CLIENTS
