"""minilm/server/batching.py: dynamic batching, fairness, failures and stops of the queue."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minilm.server.batching import Batcher
from minilm.server.retry import QueueFullError, RetryTimes


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
        assert refused.value.seconds > 0
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


class Cancellations:
    """Counts what is encoded and what is not."""

    def __init__(self) -> None:
        self.encoded = self.saved = self.requests = 0
        self.taken, self.gate = threading.Event(), threading.Event()

    def encode(self, items: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        self.taken.set()
        assert self.gate.wait(60)
        self.encoded += sum(map(len, items))
        return [np.array([ids[0]], np.float32) for ids in items]

    def observe(self, tokens: int) -> None:
        self.requests += 1
        self.saved += tokens

    def batcher(self, max_tokens: int = 10**6) -> Batcher:
        return Batcher(self.encode, threads=1, max_tokens=max_tokens, observe_cancelled=self.observe)


def test_a_cancelled_request_makes_room_at_once() -> None:
    work = Cancellations()

    async def run() -> None:
        batcher = work.batcher(max_tokens=10)
        first = asyncio.create_task(batcher.encode([[1] * 4]))
        assert await asyncio.to_thread(work.taken.wait, 60)  # in the encoder
        second = asyncio.create_task(batcher.encode([[2] * 6]))
        await asyncio.sleep(0)
        assert batcher.waiting_tokens == 10
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert batcher.waiting_tokens == 4
        third = asyncio.create_task(batcher.encode([[3] * 6]))
        await asyncio.sleep(0)
        work.gate.set()
        assert [(await task)[0].item() for task in (first, third)] == [1, 3]
        assert batcher.waiting_tokens == 0
        batcher.stop()

    asyncio.run(run())
    assert (work.encoded, work.saved, work.requests) == (10, 6, 1)


def test_a_cancelled_request_of_many_texts_stops_between_two_batches() -> None:
    work = Cancellations()

    async def run() -> None:
        batcher = work.batcher()
        large = asyncio.create_task(batcher.encode([[1] * 100] * 1000))
        assert await asyncio.to_thread(work.taken.wait, 60)
        other = asyncio.create_task(batcher.encode([[2] * 10]))
        await asyncio.sleep(0)
        large.cancel()
        with pytest.raises(asyncio.CancelledError):
            await large
        work.gate.set()
        assert (await other)[0].item() == 2
        assert batcher.waiting_tokens == 0
        batcher.stop()

    asyncio.run(run())
    assert work.encoded == 600 + 10  # at least 512 tokens at a time
    assert (work.saved, work.requests) == (100_000 - 600, 1)


@pytest.mark.parametrize("seed", range(20))
def test_every_token_is_encoded_or_saved_whenever_requests_are_cancelled(seed: int) -> None:
    work, generator = Cancellations(), random.Random(seed)
    work.gate.set()
    sizes = [(generator.randint(1, 30), generator.randint(1, 200)) for _ in range(60)]

    async def run() -> None:
        batcher = work.batcher()
        tasks = [asyncio.create_task(batcher.encode([[1] * tokens] * texts)) for texts, tokens in sizes]
        await asyncio.sleep(0)  # all are in the queue
        for task in generator.sample(tasks, 30):
            for _ in range(generator.randint(0, 3)):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = [isinstance(result, asyncio.CancelledError) for result in results]
        assert sum(cancelled) == work.requests
        assert [len(result) for result in results if isinstance(result, list)] == [
            texts for (texts, _), gone in zip(sizes, cancelled, strict=True) if not gone
        ]
        await asyncio.to_thread(batcher.stop)  # the last batch may be of cancelled requests only
        assert batcher.waiting_tokens == 0

    asyncio.run(run())
    assert work.encoded + work.saved == sum(texts * tokens for texts, tokens in sizes)


def test_a_loop_that_was_closed_meanwhile_does_not_end_the_thread() -> None:
    work = Cancellations()
    batcher = work.batcher()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(batcher.encode([[1] * 600])) for _ in range(2)]
    loop.run_until_complete(asyncio.sleep(0))
    assert work.taken.wait(60)
    loop.close()
    work.gate.set()
    assert np.array(asyncio.run(asyncio.wait_for(batcher.encode([[3]]), 60))).tolist() == [[3]]
    batcher.stop()
    assert batcher.waiting_tokens == 0
    assert work.encoded == 600 + 1  # what waited for the closed loop was not encoded
    for task in tasks:  # asyncio would warn of them
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_the_rest_of_a_request_that_failed_is_not_encoded() -> None:
    batches: list[int] = []

    def encode(items: Sequence[Sequence[int]]) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
        batches.append(len(items))
        raise MemoryError("no room")

    now = 0.0
    times = RetryTimes(clock=lambda: now, uniform=lambda low, _: low)

    async def run() -> None:
        nonlocal now
        batcher = Batcher(encode, threads=1, max_tokens=10**6, retry_times=times)
        with pytest.raises(MemoryError):
            await batcher.encode([[1] * 100] * 1000)
        batcher.stop()
        assert batcher.waiting_tokens == 0
        now = 50.0  # nothing has been encoded since
        assert times.refusal(0, 1000).seconds == pytest.approx(3.0)

    asyncio.run(run())
    assert batches == [6]
