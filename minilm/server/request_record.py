"""What is known of the request that is being answered: its id, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class RequestRecord:
    """One request. It holds numbers and the id, and never a client's text."""

    request_id: str = "-"
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # by stage: tokenize, queue, encode

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Count time that the request spent in a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of a block as that of a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add_seconds(stage, time.perf_counter() - started)

    def server_timing(self) -> str:
        """The value of the header Server-Timing, in milliseconds."""
        return ", ".join(f"{stage};dur={1000 * seconds:.3f}" for stage, seconds in self.seconds.items())


_current: ContextVar[RequestRecord] = ContextVar("minilm_request")


def current_record() -> RequestRecord:
    """The record of the request that is being answered, or a new one where there is none."""
    return _current.get(None) or RequestRecord()


def start_record(request_id: str) -> RequestRecord:
    """Begin the record of a request, for what this task and its threads do from now on."""
    record = RequestRecord(request_id)
    _current.set(record)
    return record
