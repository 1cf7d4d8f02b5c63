"""minilm/server/routes/operations.py: health and metrics."""

from __future__ import annotations

import re

from tests.serving import Server


def test_metrics_count_requests_and_batches(server: Server) -> None:
    server.ask("/embed", {"inputs": ["a", "b"]})
    _, text, _ = server.ask("/metrics")
    counts = dict(re.findall(rb"^(minilm_\S+) (\S+)$", text, re.MULTILINE))
    assert float(counts[b'minilm_requests_total{method="POST",path="/embed",status="200"}']) >= 1
    assert float(counts[b"minilm_batch_texts_sum"]) >= 2
    assert float(counts[b"minilm_queue_tokens"]) == 0
