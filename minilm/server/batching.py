"""Requests that arrive together go through the encoder together.

One thread encodes. While it is busy, texts gather; when it is free it takes what has gathered. Clients who
ask one thing after another come back just after they were answered, so it first waits for as many as there
were, for 3 milliseconds at most; a lone client is one of one, and is never kept waiting. A request of many
texts is taken a piece at a time, in turn with the others, so that a large one does not stand before a small
one.

The thread starts with the first request of a process: one that was made before a fork would not be there in
the child (gunicorn's --preload).
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
# Texts in the form that the encoder takes; their len() is their number of tokens.
Texts = Sequence[Sized]
Encode = Callable[[Sequence[Any]], Array]

# Tokens that go through the encoder at a time, a core: the speed is the same from 512 on, and a newcomer
# waits for the round in hand (30 ms on one core of 2026).
ROUND_TOKENS = 512
LINGER_SECONDS = 0.003  # how long to wait for those who were just answered to come again
PIECE_TOKENS = 256  # of one request in a round, while others wait


class Watcher(Protocol):
    """Who wants to know what goes through (the metrics)."""

    def round(self, texts: int, tokens: int, waited: list[float]) -> None:
        """``texts`` were encoded in one round; its new requests had ``waited`` so many seconds."""


class QueueFullError(Exception):
    """There is no room for another request; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after} s")
        self.retry_after = retry_after


class _Request:
    """Texts of one request, and the rows that are done."""

    def __init__(self, texts: Texts, width: int, loop: asyncio.AbstractEventLoop) -> None:
        self.texts = texts
        self.rows = np.empty((len(texts), width), np.float32)
        self.taken = 0
        self.done = 0
        self.loop = loop
        self.future: asyncio.Future[Array] = loop.create_future()
        self.arrived = time.perf_counter()

    def take(self, tokens: int) -> tuple[int, int]:
        """Bounds of the next texts, of about ``tokens`` tokens and at least one text."""
        start = self.taken
        while self.taken < len(self.texts) and tokens > 0:
            tokens -= len(self.texts[self.taken])
            self.taken += 1
        return start, self.taken


class Gatherer:
    """The queue before the encoder, and the thread that empties it.

    Parameters
    ----------
    encode : callable
        From n texts, as token ids, to a float32 row of each, (n, width), in the same order.
    width : int
        Components of a row.
    cores : int
        How many ``encode`` uses.
    max_tokens : int
        Tokens that may wait; a request that comes when as many do is refused.
    watcher : Watcher, optional
    """

    def __init__(
        self, encode: Encode, *, width: int, cores: int, max_tokens: int, watcher: Watcher | None = None
    ) -> None:
        self._encode = encode
        self._width = width
        self._round_tokens = ROUND_TOKENS * cores
        self._max_tokens = max_tokens
        self._watcher = watcher
        self._rate = 10_000.0  # tokens a second; measured from the first round on
        self._begin()
        _gatherers.add(self)

    def _begin(self) -> None:
        """Nothing waits, and no thread runs: as made, and again in a forked child."""
        self._waiting: deque[_Request] = deque()
        self._tokens = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._expected = 1  # requests in the queue for which the encoder does not wait any longer
        self._thread: threading.Thread | None = None

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue or in the encoder."""
        return self._tokens

    async def encode(self, texts: Texts) -> Array:
        """Rows (n, width) of n texts given as token ids.

        Raises
        ------
        QueueFullError
            If too many tokens wait already. A request larger than the queue is taken when the queue is empty.
        """
        if not texts:
            return np.empty((0, self._width), np.float32)
        request = _Request(texts, self._width, asyncio.get_running_loop())
        with self._condition:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="minilm-gatherer", daemon=True)
                thread.start()  # where there can be no more threads it raises, and nothing has changed
                self._thread = thread
            self._admit(sum(map(len, texts)))
            self._waiting.append(request)
            if len(self._waiting) >= self._expected:
                self._condition.notify()
        return await request.future

    @contextmanager
    def occupied(self, tokens: int) -> Iterator[None]:
        """Count tokens that go through the model elsewhere as if they waited here.

        Raises
        ------
        QueueFullError
            If too many tokens wait already.
        """
        with self._condition:
            self._admit(tokens)
        try:
            yield
        finally:
            with self._condition:
                self._tokens -= tokens

    def _admit(self, tokens: int) -> None:
        if self._stopping:
            raise QueueFullError(1)
        if self._tokens and self._tokens + tokens > self._max_tokens:
            raise QueueFullError(1 + int(self._tokens / self._rate))
        self._tokens += tokens

    def stop(self) -> None:
        """Finish what is in the queue, take nothing meanwhile, and end the thread."""
        with self._condition:
            thread = self._thread
            if thread is None:
                return
            self._stopping = True
            self._condition.notify()
        thread.join()
        with self._condition:  # the application may be started again, as tests of it are
            self._stopping, self._thread = False, None

    def _run(self) -> None:
        while True:
            with self._condition:
                self._wait_for_company()
                while not self._waiting and not self._stopping:
                    self._condition.wait()
                if not self._waiting:
                    return
                pieces = self._take_round()
            self._encode_round(pieces)

    def _wait_for_company(self) -> None:
        """Those just answered are likely to ask again: wait for as many, but not for long."""
        deadline = time.perf_counter() + LINGER_SECONDS
        while len(self._waiting) < self._expected and not self._stopping:
            left = deadline - time.perf_counter()
            if left <= 0:
                break
            self._condition.wait(left)
        self._expected = 1

    def _take_round(self) -> list[tuple[_Request, int, int]]:
        pieces: list[tuple[_Request, int, int]] = []
        room = self._round_tokens
        while self._waiting and room > 0:
            request = self._waiting.popleft()
            if request.future.done():  # whoever asked has gone, or was told of an error
                self._tokens -= sum(map(len, request.texts[request.taken :]))
                continue
            # alone in the queue it may have the whole round
            start, stop = request.take(room if not self._waiting else min(room, PIECE_TOKENS))
            room -= sum(map(len, request.texts[start:stop]))
            pieces.append((request, start, stop))
            if request.taken < len(request.texts):
                self._waiting.append(request)
        return pieces

    def _encode_round(self, pieces: list[tuple[_Request, int, int]]) -> None:
        texts = [text for request, start, stop in pieces for text in request.texts[start:stop]]
        tokens = sum(map(len, texts))
        begun = time.perf_counter()
        error: Exception | None = None
        rows: Array | None = None
        try:
            if texts:
                rows = self._encode(texts)
        except Exception as raised:  # the thread must outlive any one round; each request is told
            error = raised
        finally:
            with self._condition:
                self._tokens -= tokens
        finished: dict[asyncio.AbstractEventLoop, list[_Request]] = {}
        position = 0
        for request, start, stop in pieces:
            if rows is not None:
                request.rows[start:stop] = rows[position : position + stop - start]
            position += stop - start
            request.done += stop - start
            if error is not None or request.done == len(request.texts):
                finished.setdefault(request.loop, []).append(request)
        with self._condition:
            self._expected = sum(map(len, finished.values())) + len(self._waiting)
        if rows is not None:  # counted before anyone is answered, who may fork, or ask for the count
            self._rate = tokens / max(time.perf_counter() - begun, 1e-6)
            if self._watcher is not None:
                waited = [begun - request.arrived for request, start, _ in pieces if start == 0]
                self._watcher.round(len(texts), tokens, waited)
        for loop, requests in finished.items():
            loop.call_soon_threadsafe(_deliver, requests, error)


def _deliver(requests: list[_Request], error: Exception | None) -> None:
    for request in requests:
        if request.future.done():
            continue
        if error is not None:
            request.future.set_exception(error)
        else:
            request.future.set_result(request.rows)


_gatherers: weakref.WeakSet[Gatherer] = weakref.WeakSet()


def _begin_again() -> None:
    """In a forked child, where the threads are not: what they held or still had to do is the parent's."""
    for gatherer in list(_gatherers):
        gatherer._begin()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_again)
