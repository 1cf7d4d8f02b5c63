"""When a client that finds the queue full should ask again: not all at once, and not too early.

Clients try a few times only (OpenAI's three times by default). If those that are refused together are told
the same time, they come back together. So each gets a turn: after the tokens that must be encoded before
there is room, and after the clients that were told to come back before it. A random part on top keeps apart
the clients of several servers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable

from minilm.server.responses import RequestError

MIN_SECONDS = 0.1
# OpenAI's clients do not obey longer times. Where the wait is longer, clients are spread over the last part.
MAX_SECONDS = 60.0
SLACK = 3.0  # times the time of a turn: others ask too, and batches differ
JITTER = 0.5  # of a turn


class QueueFullError(RequestError):
    """There is no room for another request; ``seconds`` is the time after which to try again."""

    def __init__(self, seconds: float) -> None:
        whole = math.ceil(seconds)  # Retry-After has no fractions; OpenAI's clients know retry-after-ms too
        super().__init__(
            503,
            f"the queue is full; try again in {whole} s",
            code="queue_full",
            headers={"Retry-After": str(whole), "Retry-After-Ms": str(math.ceil(1000 * seconds))},
        )
        self.seconds = seconds


class RetryTimes:
    """The turns of the clients that were refused, and the speed of the queue; ``clock`` is in seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        uniform: Callable[[float, float], float] | None = None,
    ) -> None:
        self._clock = clock
        self._uniform = uniform or random.Random().uniform  # noqa: S311 - nobody gains by guessing it
        self._token_seconds = 0.001  # a guess on the slow side, until a batch was measured
        self._batch: tuple[int, float] | None = None  # what is being encoded: its tokens, and since when
        self._next_turn = -math.inf

    def begin_batch(self, tokens: int) -> None:
        """The encoder starts."""
        self._batch = tokens, self._clock()

    def end_batch(self) -> None:
        """The encoder has finished, and shows how fast the queue moves."""
        self._token_seconds = self._batch_token_seconds() or self._token_seconds
        self._batch = None

    def _batch_token_seconds(self) -> float:
        """How long the batch has taken so far, per token; 0 if there is none."""
        batch = self._batch  # it is another thread's
        return (self._clock() - batch[1]) / batch[0] if batch and batch[0] else 0.0

    def refusal(self, tokens: int, ahead: int) -> QueueFullError:
        """Refuse a request of ``tokens``, for which there is room when ``ahead`` tokens are encoded."""
        now = self._clock()
        # a batch that takes longer than the last one tells more than that
        token_seconds = SLACK * max(self._token_seconds, self._batch_token_seconds())
        turn = max(now + ahead * token_seconds, now + MIN_SECONDS, self._next_turn)
        self._next_turn = min(turn + tokens * token_seconds, now + MAX_SECONDS)
        seconds = turn - now + self._uniform(0, JITTER * tokens * token_seconds)
        if seconds > MAX_SECONDS:
            seconds = MAX_SECONDS * self._uniform(0.5, 1)
        return QueueFullError(seconds)
