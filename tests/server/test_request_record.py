"""minilm/server/request_record.py: what a request cost, as the task and its threads see it."""

from __future__ import annotations

import asyncio

import pytest

from minilm.server.request_record import RequestRecord, current_record, start_record


def test_seconds_are_added_by_stage_and_given_in_milliseconds() -> None:
    record = RequestRecord("a")
    for stage, seconds in (("tokenize", 0.25), ("queue", 0.001), ("tokenize", 0.5)):
        record.add_seconds(stage, seconds)
    assert record.server_timing() == "tokenize;dur=750.000, queue;dur=1.000"


def test_a_block_that_fails_is_timed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0])
    monkeypatch.setattr("minilm.server.request_record.time.perf_counter", lambda: next(clock))
    record = RequestRecord()
    with pytest.raises(KeyError), record.timed("encode"):
        raise KeyError
    assert record.seconds == {"encode": 2.0}


def test_each_task_has_its_own_record_and_its_threads_share_it() -> None:
    async def request(name: str) -> tuple[str, int]:
        record = start_record(name)
        await asyncio.sleep(0)  # the other task starts its own

        def count() -> None:
            current_record().tokens += 7

        await asyncio.to_thread(count)
        return current_record().request_id, record.tokens

    async def both() -> list[tuple[str, int]]:
        return [*await asyncio.gather(request("a"), request("b"))]

    assert asyncio.run(both()) == [("a", 7), ("b", 7)]
    assert current_record() == RequestRecord()  # outside of requests
