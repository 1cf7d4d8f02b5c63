"""Several processes that share one listening socket.

The parent loads the model and forks. A worker reads the weights in the parent's memory. Nobody writes to
them, so all workers share them. The parent itself answers no request.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
RESTART_SECONDS = (
    1.0  # at least between two starts of a worker, or one that cannot start would keep a core busy
)

logger = logging.getLogger(__name__)


class Workers:
    """Keep ``count`` workers alive until a signal, and end them then; a second signal kills them."""

    def __init__(self, count: int, work: Callable[[], object], announce: Callable[[str], None]) -> None:
        self._count = count
        self._work = work
        self._announce = announce
        self._started: dict[int, float] = {}  # when each worker started, by process id
        self._signal: int | None = None

    def run(self) -> int | None:
        """Return the signal if the workers were killed, None if they answered what they had accepted."""
        with self._handled():
            while len(self._started) < self._count and self._signal is None:
                self._start()
            while self._started:
                process, status = os.wait()
                if (started := self._started.pop(process, None)) is None or self._signal is not None:
                    continue
                self._announce(f"worker {process} {_end(status)}; another takes its place")
                time.sleep(max(0.0, started + RESTART_SECONDS - time.monotonic()))
                if self._signal is None:
                    self._start()
        return self._signal if self._is_killed else None

    def _start(self) -> None:
        # Between the fork and the worker's own handlers, a signal must not run the parent's handler there.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if (process := os.fork()) == 0:
                self._become_worker()
            self._started[process] = time.monotonic()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _become_worker(self) -> NoReturn:
        try:
            signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # a terminal sends it to all; the parent passes it on
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self._work()
        except BaseException:
            logger.exception("a worker failed")
            os._exit(1)
        os._exit(0)  # what the parent has open, the parent closes

    @contextmanager
    def _handled(self) -> Iterator[None]:
        self._is_killed = False

        def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            self._is_killed = self._signal is not None
            self._signal = number
            for process in self._started:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL if self._is_killed else signal.SIGTERM)

        previous = {number: signal.signal(number, end) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
