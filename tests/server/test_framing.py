"""Where a request ends: one right answer per request, wherever the network splits the bytes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("httptools", reason="the extra serve is not installed")

import uvicorn
from uvicorn.server import ServerState

from minilm.server.protocol import Protocol

POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAA\r\n"
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HELLO = b"Content-Length: 5\r\n\r\nhello"
IN_CHUNKS = b"\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"
NEXT = b"GET /next?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"  # a request in a body stays a body
A = (200, "POST /a hello")
N = (200, "GET /next?q=1 ")

ANSWERED: dict[str, tuple[bytes, list[tuple[int, str]]]] = {
    "h2c with a body": (POST + UPGRADE + HELLO + NEXT, [A, N]),
    "h2c with chunks": (POST + UPGRADE + CHUNKED + IN_CHUNKS + NEXT, [A, N]),
    "h2c twice": ((POST + UPGRADE + HELLO) * 2, [A, A]),
    "h2c without a body": (NEXT[:-2] + UPGRADE + b"\r\n" + NEXT, [N, N]),
    "h2c with a request as its body": (
        POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + NEXT,
        [(200, "POST /a " + HIDDEN.decode()), N],
    ),
    "websocket": (
        NEXT[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + NEXT,
        [N, N],
    ),
    "Connection: upgrade alone": (NEXT[:-2] + b"Connection: upgrade\r\n\r\n" + NEXT, [N, N]),
    "Upgrade alone": (POST + b"Upgrade: h2c\r\n" + HELLO + NEXT, [A, N]),
    "Upgrade after the body": (
        POST + b"Connection: upgrade\r\n" + CHUNKED + b"\r\n5\r\nhello\r\n0\r\nUpgrade: h2c\r\n\r\n" + NEXT,
        [A, N],
    ),
    "chunks": (POST + CHUNKED + IN_CHUNKS + NEXT, [A, N]),
    "chunks with trailers": (
        POST + CHUNKED + b"TE: trailers\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\nHost: b\r\n\r\n" + NEXT,
        [A, N],
    ),
    "Expect": (POST + b"Expect: 100-continue\r\n" + HELLO + NEXT, [A, N]),
    "Expect and h2c": (POST + UPGRADE + b"Expect: 100-continue\r\n" + HELLO + NEXT, [A, N]),
    "HTTP/1.0": (POST.replace(b"1.1", b"1.0") + HELLO, [A]),
    "HTTP/1.0 with keep-alive": (  # the server closes instead
        POST.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n" + HELLO + NEXT,
        [A],
    ),
    "Connection: close": (POST + b"Connection: close\r\n" + HELLO + NEXT, [A]),
    "pipelined": ((POST + HELLO + NEXT) * 3, [A, N] * 3),
    "empty lines between requests": (POST + HELLO + b"\r\n\r\n" + NEXT, [A, N]),
    "an absolute URL": (NEXT.replace(b"/next", b"http://a:80/next"), [N]),
    "an absolute URL without a path": (
        b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT,
        [(200, "GET / "), N],
    ),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT, [(200, "OPTIONS / "), N]),
}

REFUSED: dict[str, tuple[bytes, int, str]] = {
    "length and chunks": (POST + b"Content-Length: 5\r\n" + CHUNKED + IN_CHUNKS, 400, "Transfer-Encoding"),
    "chunks and length": (POST + CHUNKED + b"Content-Length: 5\r\n" + IN_CHUNKS, 400, "Content-Length"),
    "length and chunks with h2c": (POST + UPGRADE + b"Content-Length: 5\r\n" + CHUNKED + IN_CHUNKS, 400, ""),
    "two lengths": (POST + b"Content-Length: 1\r\n" + HELLO, 400, "Content-Length"),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400, "Content-Length"),
    "a signed length": (POST + b"Content-Length: +5\r\n\r\nhello", 400, "Content-Length"),
    "a folded header": (POST + b"X: y\r\n z\r\n" + HELLO, 400, "header value"),
    "a bare line feed": (POST + b"X: y\n" + HELLO, 400, "header value"),
    "line feeds only": ((POST + HELLO).replace(b"\r", b""), 400, "CRLF"),
    "a space before the colon": (POST + b"Content-Length : 5\r\n\r\nhello", 400, "header"),
    "a zero byte": (POST + b"X: \0\r\n" + HELLO, 400, "header value"),
    "no Host": ((POST + HELLO).replace(b"Host", b"Hosts"), 400, "0 Host headers"),
    "two Hosts": (POST + b"Host: b\r\n" + HELLO, 400, "2 Host headers"),
    "a lower-case method": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "method"),
    "no version": (b"GET /\r\n\r\n", 505, "HTTP/0.9"),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0", 505, "HTTP/2"),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + NEXT, 405, "proxy"),
    "a coded transfer": (POST + b"Transfer-Encoding: gzip, chunked\r\n" + IN_CHUNKS, 501, "gzip, chunked"),
    "an unended transfer": (POST + b"Transfer-Encoding: gzip\r\n" + IN_CHUNKS, 501, "gzip"),
    "a chunk without a size": (POST + CHUNKED + b"\r\nzz\r\nhello\r\n0\r\n\r\n", 400, "chunk size"),
    "a chunk that is too long": (POST + CHUNKED + b"\r\n2\r\nhello\r\n0\r\n\r\n", 400, "chunk"),
    "a length after the chunks": (
        POST + CHUNKED + b"\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
        400,
        "Content-Length",
    ),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "method"),
}


async def echo(scope: Any, receive: Any, send: Callable[..., Awaitable[None]]) -> None:
    """Answers with the method, the target and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    target = scope["path"] + (f"?{query}" if (query := scope["query_string"].decode()) else "")
    content = f"{scope['method']} {target} {body.decode()}".encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(content))],
        }
    )
    await send({"type": "http.response.body", "body": content})


class Wire(asyncio.Transport):
    """A connection whose segments are what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def answers(written: bytes) -> list[tuple[int, str]]:
    found = []
    while written:
        head, _, written = written.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if status == 100:
            continue
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        found.append((status, written[: int(length[1])].decode()))
        written = written[int(length[1]) :]
    return found


def exchanges(splits: Iterable[list[bytes]]) -> Iterable[tuple[list[tuple[int, str]], bool]]:
    """The answers to each series of segments, and whether the server closed the connection."""
    with asyncio.Runner() if hasattr(asyncio, "Runner") else LoopRunner() as runner:
        config = uvicorn.Config(echo, http=Protocol, log_level="critical", lifespan="off")
        config.load()

        async def exchange(segments: list[bytes]) -> tuple[list[tuple[int, str]], bool]:
            wire, protocol = Wire(), Protocol(config=config, server_state=ServerState(), app_state={})
            protocol.connection_made(wire)
            for segment in segments:
                protocol.data_received(segment)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            for _ in range(20):  # more than the tasks of any series take
                await asyncio.sleep(0)
            closed = wire.is_closed
            protocol.connection_lost(None)
            return answers(wire.written), closed

        for segments in splits:
            yield runner.run(exchange(segments))


class LoopRunner:
    """asyncio.Runner, which Python 3.10 lacks."""

    def __enter__(self) -> LoopRunner:
        self.loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.close()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)


def segmentations(data: bytes) -> list[list[bytes]]:
    """Whole, in two at every offset, and byte by byte."""
    halves = [[data[:cut], data[cut:]] for cut in range(1, len(data))]
    return [[data], *halves, [bytes([byte]) for byte in data]]


@pytest.mark.parametrize("name", ANSWERED)
def test_each_request_has_one_answer(name: str) -> None:
    data, expected = ANSWERED[name]
    for found, _ in exchanges(segmentations(data)):
        assert found == expected


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "before", [b"", POST + HELLO, POST + UPGRADE + HELLO], ids=["first", "later", "after h2c"]
)
def test_what_is_ambiguous_is_refused_after_the_answers_that_are_due(name: str, before: bytes) -> None:
    data, status, reason = REFUSED[name]
    for found, closed in exchanges(segmentations(before + data + NEXT)):
        *earlier, (last, content) = found
        assert earlier == ([A] if before else [])
        assert last == status
        assert reason in json.loads(content)["error"]["message"]
        assert closed
