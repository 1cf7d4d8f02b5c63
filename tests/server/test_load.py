"""The service under mixed load, in a short form of `python -m benchmarks.load --minutes 10`."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")

from benchmarks.endurance import Endured, Texts, counters, endure, make_plan, make_texts
from minilm import MiniLM, TruncationWarning
from tests.parity.texts import PLAIN
from tests.serving import Server

CLIENTS, REQUESTS = 12, 8  # of each client
LEFT, SLOW = 8, 1  # of the 96 requests; the numbers of the clients decide which


@pytest.fixture(scope="module")
def texts(model: MiniLM) -> Texts:
    with pytest.warns(TruncationWarning):  # some are longer than 256 tokens
        return make_texts(model, 20 * list(PLAIN), 100)


def test_the_texts_and_the_requests_are_mixed(model: MiniLM, texts: Texts) -> None:
    counts = [len(ids) for ids in model.tokenizer.texts(texts.texts).input_ids]
    assert min(counts) == 1 + 2  # with the special tokens
    assert max(counts) == 256
    generator = random.Random(0)
    plans = [make_plan(generator, number, 100) for number in range(10_000)]
    sizes = [len(plan.indices) for plan in plans]
    assert (min(sizes), max(sizes)) == (1, 50)
    kinds = [plan.kind for plan in plans]
    # within four standard deviations
    assert abs(kinds.count("left") - 500) < 88
    assert abs(kinds.count("slow") - 100) < 40


def test_no_request_is_lost_and_every_vector_is_right(texts: Texts) -> None:
    server = Server()
    port = int(server.url.rpartition(":")[2])

    async def run() -> tuple[Endured, dict[str, float]]:
        endured = await endure(port, texts, CLIENTS, requests=REQUESTS, pause_seconds=0.02)
        metrics = await counters(port)
        while metrics["minilm_queue_tokens"]:  # of the last ones that left
            metrics = await counters(port)
        return endured, dict(metrics)

    try:
        endured, metrics = asyncio.run(run())
    finally:
        assert server.stop() == 0
    assert endured.lost == []
    assert endured.kinds == {"ordinary": CLIENTS * REQUESTS - LEFT - SLOW, "left": LEFT, "slow": SLOW}
    assert len(endured.seconds) == CLIENTS * REQUESTS - LEFT - SLOW
    assert metrics["status=200"] >= CLIENTS * REQUESTS - LEFT
    assert metrics["status=499"] <= LEFT  # some were answered before they left
    assert {name for name in metrics if name.startswith("status=")} == {"status=200", "status=499"}


def test_a_wrong_vector_counts_as_lost(texts: Texts) -> None:
    server = Server()
    wrong = Texts(texts.texts, np.roll(texts.vectors, 1, axis=0))
    try:
        endured = asyncio.run(endure(int(server.url.rpartition(":")[2]), wrong, 2, requests=3))
    finally:
        assert server.stop() == 0
    assert len(endured.lost) == 6
    assert all("a vector is wrong by" in lost for lost in endured.lost)
