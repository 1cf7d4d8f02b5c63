"""minilm/server/run.py: a stop answers what was accepted."""

from __future__ import annotations

import threading

from tests.serving import Server


def test_sigterm_finishes_what_was_accepted() -> None:
    server = Server()
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(server.ask("/embed", {"inputs": ["word " * 200] * 100})[0])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while b"minilm_queue_tokens 0.0" in server.ask("/metrics")[1]:
        pass  # until the first is in the queue
    while any(thread.is_alive() for thread in threads) and len(answers) == 0:
        threads[0].join(0.05)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
