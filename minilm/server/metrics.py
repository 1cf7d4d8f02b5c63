"""The metrics that Prometheus reads at /metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """Counters of one server, in their own registry: two servers in one process do not mix."""

    def __init__(self, queue_tokens: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        duration = partial(Histogram, buckets=_SECONDS, registry=registry)
        size = partial(Histogram, buckets=_POWERS, registry=registry)
        self.requests = Counter(
            "minilm_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self.latency = duration(
            "minilm_request_duration_seconds", "From a request's arrival to the end of its answer.", ["path"]
        )
        self.truncated = Counter("minilm_truncated_texts", "Texts cut at max_seq_length.", registry=registry)
        self._cancelled = Counter(
            "minilm_cancelled_requests",
            "Requests that left the queue with their client.",
            registry=registry,
        )
        self._cancelled_tokens = Counter(
            "minilm_cancelled_tokens", "Tokens that left the queue with them.", registry=registry
        )
        self._texts = size("minilm_batch_texts", "Texts encoded together.")
        self._tokens = size("minilm_batch_tokens", "Tokens encoded together.")
        self._waited = duration("minilm_queue_duration_seconds", "Time a request waits to be encoded.")
        queue = Gauge("minilm_queue_tokens", "Tokens that wait or are being encoded.", registry=registry)
        queue.set_function(queue_tokens)
        ProcessCollector(registry=registry)  # memory, CPU time, open files, where there is a /proc

    def observe_batch(self, texts: int, tokens: int, waited: list[float]) -> None:
        """Count what went through the encoder together."""
        self._texts.observe(texts)
        self._tokens.observe(tokens)
        for seconds in waited:
            self._waited.observe(seconds)

    def observe_cancelled(self, tokens: int) -> None:
        """Count a request that left the queue, and those of its tokens that are never encoded."""
        self._cancelled.inc()
        self._cancelled_tokens.inc(tokens)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
