"""minilm/server/protocol.py: a head that is too long, or does not come, costs no memory and no connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("httptools", reason="the extra serve is not installed")

import uvicorn
from uvicorn.server import ServerState

from minilm.server import protocol
from minilm.server.protocol import MAX_HEAD_BYTES, Protocol

PATIENCE = 30.0  # seconds; no test passes by waiting this long
SHORT = 0.5  # seconds for a head: enough for what a test sends at once, on a busy machine too
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


def served(
    client: Client, application: Any = application, *, keep_alive: float = 5, until_gone: bool = False
) -> None:
    """Run a client against one server, in one loop; ``until_gone``, until the server has let it go."""

    async def run() -> None:
        config = uvicorn.Config(application, http=Protocol, log_level="critical", lifespan="off")
        config.load()
        config.timeout_keep_alive = keep_alive  # type: ignore[assignment] # less than a second, for a test
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )

        async def gone() -> None:
            while state.connections:
                await asyncio.sleep(0.01)

        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await asyncio.wait_for(client(reader, writer), PATIENCE)
                if until_gone:
                    await asyncio.wait_for(gone(), PATIENCE)
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
def test_an_incomplete_head_is_answered_408(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SHORT)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if before:  # another request came first
            writer.write(before)
            assert await answer(reader) == (200, b"2")
        writer.write(b"GET / HTTP/1.1\r\nHo")
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""

    served(client)


def test_an_unused_connection_is_closed_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SHORT)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
        assert await reader.read() == b""

    served(client)


def test_the_timer_of_the_head_ignores_a_slow_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SHORT)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        await asyncio.sleep(2 * SHORT)
        writer.write(b"x" * 200_000)
        assert await answer(reader) == (200, b"2")

    served(client)


def test_headers_after_a_chunked_body_are_ignored() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        writer.write(b"X: y\r\n" * 1000 + b"\r\n")
        assert await answer(reader) == (200, b"2")

    served(client)


def test_bytes_that_are_not_http_do_not_keep_a_connection_open() -> None:
    """An empty line after a request ended uvicorn's keep-alive, and nothing else was waiting."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(100))
        assert await answer(reader) == (200, b"2")
        writer.write(b"\r\n")
        assert await reader.read() == b""

    served(client, keep_alive=0.2)


async def hasty(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:  # noqa: ARG001
    """Answers without the body."""
    start = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": b"x"})


def test_a_body_after_the_answer_does_not_keep_a_connection_open() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await answer(reader) == (200, b"x")
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)

    served(client, hasty, keep_alive=0.2)


def test_an_incomplete_pipelined_head_is_answered_408(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SHORT)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(100) + head_of(100)[:30])
        assert await answer(reader) == (200, b"2")
        assert (await answer(reader))[0] == 408
        assert await reader.read() == b""

    served(client)


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
@pytest.mark.parametrize("number", [1, 20])
def test_a_client_that_does_not_read_its_answer_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, connection: bytes, number: int
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.05)
    size = 32 << 20  # more than the socket has room for

    async def application(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:  # noqa: ARG001
        start = [(b"content-length", str(size).encode()), (b"connection", connection)]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": b"x" * size})

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head_of(100) * number)
        await reader.readuntil(b"\r\n\r\n")  # and no more

    served(client, application, keep_alive=60, until_gone=True)


def test_a_client_that_reads_slowly_stays_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.001)
    sizes = [100, 99, 99, 50, 50, 1, 1, 1]  # a check that finds less looks again, for the next; the last ends
    aborted: asyncio.Event

    class Slow(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            return sizes.pop(0)

        def abort(self) -> None:
            aborted.set()

    async def run() -> None:
        nonlocal aborted
        aborted = asyncio.Event()
        config = uvicorn.Config(application, http=Protocol, log_level="critical", lifespan="off")
        config.load()
        connection = Protocol(config=config, server_state=ServerState(), app_state={})
        connection.connection_made(Slow())
        connection.pause_writing()
        await asyncio.wait_for(aborted.wait(), PATIENCE)
        connection.connection_lost(OSError())

    asyncio.run(run())
    assert sizes == []


async def echo(scope: dict[str, Any], receive: Any, send: Callable[..., Awaitable[None]]) -> None:
    """Answers with the method, the path and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    content = f"{scope['method']} {scope['path']} ".encode() + body
    start = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": content})


JAVA = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n"
# What is sent, and the answers to it. After one that is not 200 the connection is closed.
REQUESTS = {
    "h2c": (
        b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"Content-Length: 3\r\n\r\nabc",
        [(200, b"POST /a abc")],
    ),
    "h2c, chunked": (b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + CHUNKED, [(200, b"POST /a abc")]),
    "h2c without a body": (b"GET /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"\r\n", [(200, b"GET /a ")]),
    "a body that looks like a request": (
        b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"Content-Length: 20\r\n\r\nGET /b HTTP/1.1\r\n\r\n\r",
        [(200, b"POST /a GET /b HTTP/1.1\r\n\r\n\r")],
    ),
    "websocket": (
        b"GET /a?b HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, UPGRADE\r\nupgrade: websocket\r\n\r\n",
        [(200, b"GET /a ")],
    ),
    "upgrade without its name": (
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\nx",
        [(200, b"POST /a x")],
    ),
    "three, of which two offer": (
        (b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"Content-Length: 1\r\n\r\n1")
        + b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n2"
        + (b"POST /c HTTP/1.1\r\nHost: a\r\n" + JAVA + CHUNKED),
        [(200, b"POST /a 1"), (200, b"POST /b 2"), (200, b"POST /c abc")],
    ),
    "absolute target": (b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n", [(200, b"GET /b ")]),
    "a client that says what follows": (
        b"POST /a HTTP/1.1\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
        [(200, b"POST /a a")],
    ),
    "two lengths": (
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        [(400, b"")],
    ),
    "length and chunks": (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n" + CHUNKED, [(400, b"")]),
    "offer, length and chunks": (
        b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"Content-Length: 9\r\n" + CHUNKED,
        [(400, b"")],
    ),
    "compressed chunks": (
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        [(501, b"")],
    ),
    "bare line feeds": (b"GET /a HTTP/1.1\nHost: a\n\n", [(400, b"")]),
    "a space before the colon": (b"GET /a HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc", [(400, b"")]),
    "a folded header": (b"GET /a HTTP/1.1\r\nX: a\r\n b\r\n\r\n", [(400, b"")]),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [(400, b"")]),
    "no method": (b"get /a HTTP/1.1\r\nHost: a\r\n\r\n", [(400, b"")]),
    "a proxy's method": (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", [(405, b"")]),
    "a bad request after a good one": (
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1GET /b HTTP/1.1\r\nX : y\r\n\r\n",
        [(200, b"POST /a 1"), (400, b"")],
    ),
    "a bad chunk after a good request": (
        b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        [(200, b"GET /a "), (400, b"")],
    ),
}


class Memory(asyncio.Transport):
    """A connection without a socket: a socket that is closed early can lose its last answer."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def answers(written: bytes) -> list[tuple[int, bytes]]:
    """The statuses and bodies of everything that was written."""
    found = []
    while written:
        head, _, written = written.partition(b"\r\n\r\n")
        length = int(re.findall(rb"content-length: (\d+)", head)[0])
        found.append((int(head.split()[1]), written[:length]))
        written = written[length:]
    return found


async def answered(pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], bool]:
    """What a connection answers to these pieces, and whether it was closed."""
    config = uvicorn.Config(echo, http=Protocol, log_level="critical", lifespan="off")
    config.load()
    state, transport = ServerState(), Memory()
    connection = Protocol(config=config, server_state=state, app_state={})
    connection.connection_made(transport)
    for piece in pieces:
        if not transport.is_closed:
            connection.data_received(piece)
            await asyncio.sleep(0)
    while state.tasks and not transport.is_closed:
        await asyncio.sleep(0)
    connection.connection_lost(OSError())
    return answers(transport.written), transport.is_closed


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_has_one_answer_however_its_bytes_are_cut(name: str) -> None:
    sent, expected = REQUESTS[name]
    if is_kept := expected[-1][0] == 200:  # the connection goes on, and holds nothing else
        sent, expected = sent + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", [*expected, (200, b"GET /next ")]
    cuts = [[sent[:place], sent[place:]] for place in range(1, len(sent))]
    for pieces in [*cuts, [sent[place : place + 1] for place in range(len(sent))]]:
        found, is_closed = asyncio.run(answered(pieces))
        assert [status for status, _ in found] == [status for status, _ in expected], pieces
        assert [body for status, body in found if status == 200] == [body for _, body in expected if body], (
            pieces
        )
        assert is_closed is not is_kept


def test_a_body_that_waits_for_its_permission_and_offers_another_protocol() -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"POST /a HTTP/1.1\r\nHost: a\r\n" + JAVA + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert await answer(reader) == (200, b"POST /a abc")

    served(client, echo)
