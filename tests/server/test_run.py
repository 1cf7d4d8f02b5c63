"""minilm/server/run.py: a stop answers what was accepted."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from typing import Any

import pytest
import uvicorn

from minilm import MiniLM
from minilm.server import run
from minilm.server.settings import ServerSettings
from tests.serving import Server


def test_sigterm_finishes_what_was_accepted() -> None:
    server = Server()
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(server.ask("/embed", {"inputs": ["word " * 200] * 30})[0])
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


def test_ctrl_c_says_what_it_waits_for_and_a_second_one_stops_at_once() -> None:
    server = Server()
    assert server.process.stderr
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        head = b"POST /embed HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 100")  # the request has begun, and its body never comes
        server.process.send_signal(signal.SIGINT)
        line = server.process.stderr.readline()
        assert line == "minilm: stopping: waiting for 1 request, at most 30 s; Ctrl-C again stops now\n"
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait() == 130
        assert server.process.stderr.read() == "minilm: interrupted\n"
    server.process.stderr.close()


@pytest.mark.parametrize(
    ("allowed", "peer", "client"),
    [
        (("127.0.0.1",), "127.0.0.1", "192.0.2.7"),
        (("127.0.0.1",), "10.0.0.1", "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "192.0.2.7"),
        (("10.0.0.0/8", "*"), "198.51.100.1", "192.0.2.7"),
        ((), "127.0.0.1", "127.0.0.1"),
    ],
)
def test_only_named_proxies_say_who_the_client_is(
    monkeypatch: pytest.MonkeyPatch, model: MiniLM, allowed: tuple[str, ...], peer: str, client: str
) -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: object, send: object) -> None:  # noqa: ARG001
        seen.append((scope["client"][0], scope["scheme"]))

    def ask(server: uvicorn.Server, sockets: object) -> None:  # noqa: ARG001
        server.config.load()
        headers = [(b"x-forwarded-for", b"192.0.2.7"), (b"x-forwarded-proto", b"https")]
        scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
        asyncio.run(server.config.loaded_app(scope, None, None))

    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's, which the setting replaces
    monkeypatch.setattr(run, "create_app", lambda *_: application)
    monkeypatch.setattr(uvicorn.Server, "run", ask)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run.serve(model, ServerSettings(forwarded_allow_ips=allowed), listener, lambda _: None)
    assert seen == [(client, "https" if client != peer else "http")]
