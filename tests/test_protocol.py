"""minilm/server/protocol.py: a head that is too long, or does not come, costs no memory and no connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("httptools", reason="the extra serve is not installed")

import uvicorn
from uvicorn.server import ServerState

from minilm.server import protocol
from minilm.server.protocol import MAX_HEAD_BYTES, Protocol

PATIENCE = 30.0  # seconds; no test passes by waiting this long
Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def application(
    scope: dict[str, object], receive: object, send: Callable[..., Awaitable[None]]
) -> None:
    """Answers with the number of headers, once it has the body."""
    assert callable(receive)
    while (await receive()).get("more_body"):
        pass
    headers = scope["headers"]
    assert isinstance(headers, list)
    content = str(len(headers)).encode()
    start = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": content})


def served(client: Client) -> None:
    """Run a client against one server, in one loop."""

    async def run() -> None:
        config = uvicorn.Config(application, http=Protocol, log_level="critical", lifespan="off")
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config=config, server_state=ServerState(), app_state={}), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await asyncio.wait_for(client(reader, writer), PATIENCE)
            finally:
                writer.close()

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].split()[0])
    return int(head.split()[1]), await reader.readexactly(length)


def head_of(size: int) -> bytes:
    begin = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    return begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n"


def test_a_head_up_to_the_limit_is_taken_piece_by_piece_and_again_on_the_same_connection() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            head = head_of(MAX_HEAD_BYTES)
            for start in range(0, len(head), 10_000):
                writer.write(head[start : start + 10_000])
                await writer.drain()
                await asyncio.sleep(0)
            assert await answer(reader) == (200, b"2")

    served(client)


@pytest.mark.parametrize("endless", [b"y", b"y: z\r\nx"])
def test_a_head_that_does_not_end_is_refused(endless: bytes) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX" + endless * (MAX_HEAD_BYTES // len(endless)))
        status, body = await answer(reader)
        assert status == 431
        assert json.loads(body)["error"]["message"] == "the request's headers are longer than 65,536 bytes"
        assert await reader.read() == b""

    served(client)


def test_a_long_url_is_part_of_the_head() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /" + b"a" * MAX_HEAD_BYTES)
        assert (await answer(reader))[0] == 431

    served(client)


@pytest.mark.parametrize("before", [b"", head_of(100)])
def test_half_a_head_is_given_up(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if before:  # another request came first
            writer.write(before)
            assert await answer(reader) == (200, b"2")
        writer.write(b"GET / HTTP/1.1\r\nHo")
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""

    served(client)


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
        assert await reader.read() == b""

    served(client)


def test_a_slow_body_is_not_the_heads_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        await asyncio.sleep(0.1)  # twice the time of a head
        writer.write(b"x" * 200_000)
        assert await answer(reader) == (200, b"2")

    served(client)


def test_headers_after_a_body_in_chunks_are_not_kept() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        writer.write(b"X: y\r\n" * 1000 + b"\r\n")
        assert await answer(reader) == (200, b"2")

    served(client)
