"""minilm/server/middleware.py: the key, the limits of a body, and its deadline."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc

from starlette.types import Message, Receive, Scope, Send

from minilm.server.metrics import Metrics
from minilm.server.middleware import Gate
from minilm.server.settings import ServerSettings
from tests.serving import Server, error_message


def test_a_key_is_required_but_not_for_the_page() -> None:
    server = Server("--api-key", "secret")
    try:
        status, content, headers = server.ask("/embed", {"inputs": "a"})
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert "asks for a key" in error_message("/embed", content)
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Bearer secre")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Basic secret")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="secret")[0] == 401
        assert server.ask("/embed", {"inputs": "a"}, Authorization="Bearer secret")[0] == 200
        assert server.ask("/embed", {"inputs": "a"}, Authorization="bearer secret")[0] == 200
        assert [server.ask(path)[0] for path in ("/", "/health", "/metrics")] == [200, 200, 200]
    finally:
        assert server.stop() == 0


def test_without_the_key_a_body_is_read_to_its_end_and_the_connection_closed() -> None:
    server = Server("--api-key", "secret", "--body-seconds", "5", "--max-body-bytes", "1000000")
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    try:
        # the answer is not lost to a client that first sends all of a body, even one that is too long
        status, _, headers = server.ask("/embed", b" " * 3_000_000)
        assert (status, headers["connection"]) == (401, "close")
        # one that never ends is given up
        with socket.create_connection(address) as connection:
            connection.sendall(
                b"POST /embed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
            )
            received = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert received.split()[1] == b"401"
    finally:
        assert server.stop() == 0


def test_a_body_that_does_not_arrive_is_answered_408() -> None:
    server = Server("--body-seconds", "0.2")
    try:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
            assert connection.recv(100).split()[1] == b"408"
    finally:
        assert server.stop() == 0


def test_a_body_in_many_pieces_takes_what_one_piece_takes() -> None:
    """Time in the number of pieces, none of which is kept by itself."""
    received: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        received.append(await receive())

    async def run(pieces: int) -> None:
        left = pieces

        async def receive() -> Message:
            nonlocal left
            left -= 1
            return {"type": "http.request", "body": b"x", "more_body": left > 0}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        scope = {"type": "http", "path": "/embed", "method": "POST", "headers": []}
        gate = Gate(application, ServerSettings(body_seconds=600), Metrics(lambda: 0))
        tracemalloc.start()
        try:
            await gate(scope, receive, send)
            assert tracemalloc.get_traced_memory()[1] < 8 * pieces  # a message a piece would be 200 and more
        finally:
            tracemalloc.stop()

    asyncio.run(run(200_000))
    assert received == [{"type": "http.request", "body": b"x" * 200_000, "more_body": False}]
