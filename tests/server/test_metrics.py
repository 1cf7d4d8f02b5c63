"""minilm/server/metrics.py: counts of batches, and the tokens that wait."""

from __future__ import annotations

from minilm.server.metrics import Metrics


def test_batches_and_queues_are_counted_and_two_servers_do_not_mix() -> None:
    metrics, other = Metrics(lambda: 12), Metrics(lambda: 0)
    metrics.observe_batch(3, 40, [0.5, 0.25])
    lines = metrics.text().decode().splitlines()
    assert {
        "minilm_batch_texts_sum 3.0",
        "minilm_batch_tokens_sum 40.0",
        "minilm_queue_duration_seconds_sum 0.75",
        "minilm_queue_duration_seconds_count 2.0",
        "minilm_queue_tokens 12.0",
    } <= set(lines)
    assert "minilm_batch_texts_sum 0.0" in other.text().decode().splitlines()


def test_cancelled_requests_are_counted_with_the_tokens_saved() -> None:
    metrics = Metrics(lambda: 0)
    metrics.observe_cancelled(40)
    metrics.observe_cancelled(0)
    lines = metrics.text().decode().splitlines()
    assert {"minilm_cancelled_requests_total 2.0", "minilm_cancelled_tokens_total 40.0"} <= set(lines)
