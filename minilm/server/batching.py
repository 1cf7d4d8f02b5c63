"""Dynamic batching: requests that arrive together go through the encoder together.

One thread encodes. While it is busy, requests collect; when it is free it takes a batch of them. Clients that
ask one thing after another come back just after they were answered. So the thread first waits for as many
requests as there were, for at most 3 milliseconds. A lone client is one of one, and never waits. A request of
many texts is taken a piece at a time, in turn with the others, so that it does not delay small ones.

A request whose task is cancelled leaves the queue at once. What is left of it is never encoded.

The thread starts with the first request of a process. A thread that was started before a fork would not exist
in the child (gunicorn's --preload).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence, Sized
from contextlib import suppress
from itertools import islice
from typing import Any

from minilm.server.request_record import current_record
from minilm.server.retry import RetryTimes

# What is encoded, in the form that the encode function takes; len() is the number of tokens.
Items = Sequence[Sized]
EncodeBatch = Callable[[Sequence[Any]], Sequence[Any]]
# Called with the texts and the tokens of a batch, and the seconds that each of its new requests had waited.
ObserveBatch = Callable[[int, int, list[float]], None]
# Called when a request is cancelled, with the number of its tokens that are never encoded.
ObserveCancelled = Callable[[int], None]

# Tokens that go through the encoder at a time, per core: the speed is the same from 512 on, and a new request
# waits for the current batch (30 ms on one core of 2026).
BATCH_TOKENS = 512
LINGER_SECONDS = 0.003  # how long to wait for clients that were just answered to ask again
PIECE_TOKENS = 256  # of one request in a batch, while others wait


class _QueuedRequest:
    """The items of one request, and the results that are done."""

    def __init__(self, items: Items, loop: asyncio.AbstractEventLoop) -> None:
        self.items = items
        self.results: list[Any] = []
        self.taken = 0  # items that were taken into a batch
        self.loop = loop
        self.future: asyncio.Future[list[Any]] = loop.create_future()
        self.arrived = self.started = time.perf_counter()

    @property
    def tokens_left(self) -> int:
        """Tokens that were not taken into a batch."""
        return sum(map(len, self.items[self.taken :]))

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for it: it was cancelled, or its loop has ended."""
        return self.future.cancelled() or self.loop.is_closed()

    def take(self, tokens: int) -> Items:
        """Return the next items, of about ``tokens`` tokens and at least one item."""
        start = self.taken
        while self.taken < len(self.items) and tokens > 0:
            tokens -= len(self.items[self.taken])
            self.taken += 1
        return self.items[start : self.taken]


class Batcher:
    """The queue before the encoder, and the thread that empties it.

    ``encode`` makes one result of each item, in the same order, on ``threads`` cores. A request is refused if
    more than ``max_tokens`` would wait.
    """

    def __init__(
        self,
        encode: EncodeBatch,
        *,
        threads: int,
        max_tokens: int,
        observe_batch: ObserveBatch | None = None,
        observe_cancelled: ObserveCancelled | None = None,
        retry_times: RetryTimes | None = None,
    ) -> None:
        self._encode = encode
        self._batch_tokens = BATCH_TOKENS * threads
        self._max_tokens = max_tokens
        self._observe_batch = observe_batch
        self._observe_cancelled = observe_cancelled
        self._retry_times = retry_times or RetryTimes()
        self.reset()
        _batchers.add(self)

    def reset(self) -> None:
        """Start with an empty queue and no thread: when it is made, and again in a forked child."""
        self._waiting: deque[_QueuedRequest] = deque()
        self.waiting_tokens = 0  # in the queue or in the encoder
        self._condition = threading.Condition()
        self._stopping = False
        self._expected = 1  # requests in the queue at which the encoder does not wait any longer
        self._thread: threading.Thread | None = None

    async def encode(self, items: Items) -> list[Any]:
        """Return one array per item; a QueueFullError if too many tokens wait already.

        A request that is larger than the queue is accepted when the queue is empty. When the task is
        cancelled, what was not taken into a batch is not encoded.
        """
        if not items:
            return []
        request = _QueuedRequest(items, asyncio.get_running_loop())
        with self._condition:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="minilm-batcher", daemon=True)
                thread.start()  # if there can be no more threads it raises, and nothing has changed
                self._thread = thread
            tokens = sum(map(len, items))
            excess = self.waiting_tokens + tokens - self._max_tokens
            if self._stopping or (self.waiting_tokens and excess > 0):
                # what is in the encoder leaves all at once, at the end of the batch
                ahead = min(self.waiting_tokens, max(excess, 0) + self._batch_tokens)
                raise self._retry_times.refusal(tokens, ahead)
            self.waiting_tokens += tokens
            self._waiting.append(request)
            if len(self._waiting) >= self._expected:
                self._condition.notify()
        try:
            results = await request.future
        except asyncio.CancelledError:
            self._remove(request)
            if self._observe_cancelled is not None:
                self._observe_cancelled(request.tokens_left)
            raise
        record = current_record()
        record.texts, record.tokens = record.texts + len(items), record.tokens + tokens
        record.add_seconds("queue", request.started - request.arrived)
        record.add_seconds("encode", time.perf_counter() - request.started)
        return results

    def _remove(self, request: _QueuedRequest) -> None:
        """Take a request out of the queue, if anything of it is there."""
        with self._condition:
            if request in self._waiting:
                self._waiting.remove(request)
                self.waiting_tokens -= request.tokens_left

    def stop(self) -> None:
        """Finish what is in the queue, refuse new requests meanwhile, and end the thread."""
        with self._condition:
            thread = self._thread
            if thread is None:
                return
            self._stopping = True
            self._condition.notify()
        thread.join()
        with self._condition:  # the application may be started again, as its tests do
            self._stopping, self._thread = False, None

    def _run(self) -> None:
        while True:
            with self._condition:
                # the clients that were just answered are likely to ask again
                self._condition.wait_for(self._has_expected, LINGER_SECONDS)
                self._expected = 1
                self._condition.wait_for(self._has_expected)
                if not self._waiting:
                    return
                pieces = self._take_batch()
            self._encode_batch(pieces)

    def _has_expected(self) -> bool:
        return len(self._waiting) >= self._expected or self._stopping

    def _take_batch(self) -> list[tuple[_QueuedRequest, Items]]:
        """Take pieces of the waiting requests, in turn; a request may give more than one."""
        pieces: list[tuple[_QueuedRequest, Items]] = []
        room = self._batch_tokens
        while self._waiting and room > 0:
            request = self._waiting.popleft()
            if request.is_abandoned:
                self.waiting_tokens -= request.tokens_left
                continue
            # a request that is alone in the queue may fill the batch
            piece = request.take(room if not self._waiting else min(room, PIECE_TOKENS))
            room -= sum(map(len, piece))
            pieces.append((request, piece))
            if request.taken < len(request.items):
                self._waiting.append(request)
        return pieces

    def _encode_batch(self, pieces: list[tuple[_QueuedRequest, Items]]) -> None:
        requests = list(dict.fromkeys(request for request, _ in pieces))
        items = [item for _, piece in pieces for item in piece]
        tokens = sum(map(len, items))
        started = time.perf_counter()
        new = [request for request in requests if not request.results]
        for request in new:
            request.started = started
        waited = [started - request.arrived for request in new]
        results: Sequence[Any] = []
        error: Exception | None = None
        self._retry_times.begin_batch(tokens)
        try:
            if items:
                results = self._encode(items)
        except Exception as raised:  # the thread must outlive any one batch; each request is told
            error = raised
        self._retry_times.end_batch()
        remaining = iter(results)
        for request, piece in pieces:
            request.results.extend(islice(remaining, len(piece)))
        finished = [r for r in requests if error is not None or len(r.results) == len(r.items)]
        for request in finished if error is not None else []:
            self._remove(request)  # it is told of the error, and the rest of it is of no use
        with self._condition:
            self.waiting_tokens -= tokens
            self._expected = sum(not r.is_abandoned for r in finished) + len(self._waiting)
        # before anyone is answered, who may fork, or ask for the count
        if items and error is None and self._observe_batch is not None:
            self._observe_batch(len(items), tokens, waited)
        for loop in {request.loop for request in finished}:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits there
                loop.call_soon_threadsafe(_deliver, [r for r in finished if r.loop is loop], error)


def _deliver(requests: list[_QueuedRequest], error: Exception | None) -> None:
    for request in requests:
        if request.future.done():
            continue
        if error is None:
            request.future.set_result(request.results)
        else:
            request.future.set_exception(error)


_batchers: weakref.WeakSet[Batcher] = weakref.WeakSet()


def _reset_all() -> None:
    """Reset in a forked child, which has none of the parent's threads."""
    for batcher in list(_batchers):
        batcher.reset()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_reset_all)
