"""minilm/server/app.py: the whole application over a real socket, and clients that misbehave."""

from __future__ import annotations

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minilm import MiniLM
from tests.serving import BOUND, A, Server


def test_only_named_origins_get_cors_headers(server: Server) -> None:
    origin = {"Origin": "https://example.org"}
    assert "access-control-allow-origin" not in server.ask("/embed", {"inputs": "a"}, **origin)[2]
    named = Server("--cors-origin", "https://example.org", "--api-key", "secret")
    try:
        key = {"Authorization": "Bearer secret"}
        allowed = server_header(named, {**origin, **key})
        assert allowed == "https://example.org"
        assert server_header(named, {"Origin": "https://example.com", **key}) is None
        # a browser asks first, without the key
        preflight = http.client.HTTPConnection("127.0.0.1", int(named.url.rpartition(":")[2]))
        asks = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight.request("OPTIONS", "/embed", headers=origin | asks)
        answer = preflight.getresponse()
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://example.org")
        preflight.close()
    finally:
        assert named.stop() == 0


def server_header(server: Server, headers: dict[str, str]) -> str | None:
    status, _, answered = server.ask("/embed", {"inputs": "a"}, **headers)
    assert status == 200
    return answered.get("access-control-allow-origin")


def test_slow_clients_do_not_stall_others(server: Server, model: MiniLM) -> None:
    port = int(server.url.rpartition(":")[2])
    head = b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(head[:20] if number % 2 else head + b'{"inputs": "')  # and nothing more
        # clients that ask for much and read nothing
        body = json.dumps({"inputs": ["a"] * 500}).encode()
        for connection in slow[:20:2]:
            connection.sendall(b" " * 87 + b'"}')  # ends the body that it began
            connection.sendall(head.replace(b"100", str(len(body)).encode()) + body)
        for _ in range(20):
            _, vectors, _ = server.ask("/embed", {"inputs": A})
            np.testing.assert_allclose(vectors, [model.encode(A)], rtol=0, atol=BOUND)
    finally:
        for connection in slow:
            connection.close()


def test_many_clients_each_get_their_own_answer(server: Server, model: MiniLM) -> None:
    texts = [f"Text number {i} of {'many ' * (i % 9)}" for i in range(320)]
    expected = model.encode(texts)

    def ask(i: int) -> float:
        _, vectors, _ = server.ask("/embed", {"inputs": texts[i]})
        return float(np.abs(np.subtract(vectors[0], expected[i])).max())

    with ThreadPoolExecutor(32) as clients:
        assert max(clients.map(ask, range(len(texts)))) < BOUND


def test_clients_that_go_away_leave_nothing_in_the_queue(server: Server) -> None:
    body = json.dumps({"inputs": ["word " * 200] * 64, "truncate": True}).encode()
    head = "POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
    head += f"\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall(head.encode() + body)
    assert server.ask("/embed", {"inputs": "a"})[0] == 200
    while b"minilm_queue_tokens 0.0" not in server.ask("/metrics")[1]:
        pass
