"""minilm/server/batching.py: dynamic batching, fairness, failures and stops of the queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minilm.server.batching import Batcher, QueueFullError


def slow_encode(gate: threading.Event, sizes: list[int]) -> Any:
    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        gate.wait()
        sizes.append(len(input_ids))
        return [np.array([ids[0]], np.float32) for ids in input_ids]

    return encode


def test_requests_that_arrive_during_a_batch_form_the_next_batch() -> None:
    gate, sizes = threading.Event(), list[int]()

    async def run() -> list[float]:
        batcher = Batcher(slow_encode(gate, sizes), threads=1, max_tokens=1000)
        tasks = [asyncio.create_task(batcher.encode([[i]])) for i in range(33)]
        await asyncio.sleep(0)  # all are in the queue
        gate.set()
        rows = await asyncio.gather(*tasks)
        batcher.stop()
        return [row.item() for [row] in rows]

    assert asyncio.run(run()) == list(range(33))
    assert sum(sizes) == 33
    assert len(sizes) <= 3  # the first may have gone alone; the others wait together


def test_a_single_client_never_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # waiting at all would be waiting for ever
    monkeypatch.setattr("minilm.server.batching.LINGER_SECONDS", 1e6)
    gate, sizes = threading.Event(), list[int]()
    gate.set()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), threads=1, max_tokens=1000)
        for i in range(5):
            assert np.array(await batcher.encode([[i], [i + 1]])).tolist() == [[i], [i + 1]]
        batcher.stop()

    asyncio.run(run())
    assert sizes == [2] * 5


def test_the_queue_waits_for_clients_that_were_just_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.server.batching.LINGER_SECONDS", 1e6)
    gate, sizes = threading.Event(), list[int]()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), threads=1, max_tokens=1000)

        async def client(i: int) -> None:
            for _ in range(3):
                assert np.array(await batcher.encode([[i]])).item() == i

        clients = [asyncio.create_task(client(i)) for i in range(8)]
        with batcher._condition:  # the encoder takes none before the first requests of all are in the queue
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*clients)
        batcher.stop()

    asyncio.run(run())
    assert sum(sizes) == 24
    assert sizes[-1] >= 7  # together, but for the one that may be a round ahead


def test_a_full_queue_refuses_with_a_retry_time() -> None:
    gate = threading.Event()

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, []), threads=1, max_tokens=10)
        first = asyncio.create_task(batcher.encode([[1] * 8]))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as refused:
            await batcher.encode([[1] * 3])
        assert refused.value.retry_after >= 1
        gate.set()
        await first
        assert batcher.waiting_tokens == 0
        assert np.shape(await batcher.encode([[1] * 50])) == (1, 1)  # larger than the queue, but alone
        batcher.stop()

    asyncio.run(run())


def test_a_large_request_does_not_delay_a_small_one() -> None:
    gate, sizes = threading.Event(), list[int]()
    order: list[str] = []

    async def run() -> None:
        batcher = Batcher(slow_encode(gate, sizes), threads=1, max_tokens=10**6)

        async def ask(name: str, ids: list[list[int]]) -> None:
            await batcher.encode(ids)
            order.append(name)

        large = asyncio.create_task(ask("large", [[1] * 100] * 1000))
        await asyncio.sleep(0)
        small = asyncio.create_task(ask("small", [[1] * 10]))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(large, small)
        batcher.stop()

    asyncio.run(run())
    assert order == ["small", "large"]


def test_a_failed_batch_fails_its_own_requests_only() -> None:
    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        if input_ids[0][0] == 13:
            raise MemoryError("no room")
        return [np.zeros(1, np.float32)] * len(input_ids)

    async def run() -> None:
        batcher = Batcher(encode, threads=1, max_tokens=100)
        with pytest.raises(MemoryError):
            await batcher.encode([[13]])
        assert np.shape(await batcher.encode([[1], [2]])) == (2, 1)
        assert batcher.waiting_tokens == 0
        batcher.stop()

    asyncio.run(run())


def test_a_queue_works_after_its_thread_could_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the system allows no more threads, for a time."""

    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return [np.array([len(ids)], np.float32) for ids in input_ids]

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "minilm-batcher":
            raise RuntimeError("can't start new thread")

    batcher = Batcher(encode, threads=1, max_tokens=100)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            asyncio.run(batcher.encode([[1, 2]]))
    assert batcher.waiting_tokens == 0
    assert np.array(asyncio.run(asyncio.wait_for(batcher.encode([[1, 2]]), 60))).tolist() == [[2]]
    batcher.stop()


def test_a_stopped_queue_can_be_used_again() -> None:
    """As an application does that is started and stopped in each of somebody's tests."""

    def encode(input_ids: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        return [np.array([len(ids)], np.float32) for ids in input_ids]

    batcher = Batcher(encode, threads=1, max_tokens=100)
    before = set(threading.enumerate())  # those of other tests' applications
    batcher.stop()  # nothing was asked yet, so that nothing runs
    for _ in range(3):
        assert np.array(asyncio.run(batcher.encode([[1, 2]]))).tolist() == [[2]]
        batcher.stop()
    assert "minilm-batcher" not in {thread.name for thread in {*threading.enumerate()} - before}
