"""HTTP/1.1 by uvicorn and httptools, with limits on the memory and time of a connection.

Neither uvicorn nor httptools limits a head (the request line and the headers). A client without a key could
send headers until the memory is full, or hold a connection forever with an incomplete head. Any byte ends
uvicorn's keep-alive timeout, so that timeout does not limit a connection. And uvicorn waits forever for a
client to read an answer. The limits of the body are in ``middleware.py``.

httptools is kept because it refuses the ambiguous framing that h11 takes (bare line feeds, folded headers,
Content-Length beside Transfer-Encoding), and answers twice as many requests per second; hypercorn parses with
h11. It skips the body of a request to upgrade, so that head is parsed again without its header ``Upgrade``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from minilm.server.responses import RequestError

MAX_HEAD_BYTES = 65_536  # as much as uvicorn's other parser, h11, takes
HEAD_SECONDS = 30.0  # for a connection's first byte, and from a request's first byte to the end of its head
# Requests that a client may send ahead of an answer. So far its connection is read, so that it is seen when
# the client leaves; each keeps up to 128 KiB of memory.
MAX_PIPELINED = 8
UNREAD_SECONDS = 60.0  # after this time, a client that reads nothing of its answer is disconnected


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._is_in_head = True
        self._unread_bytes = 0
        self._answered: RequestResponseCycle | None = None  # uvicorn knows only the last one that arrived
        self._due = 0  # requests that are not answered yet
        self._fault: RequestError | None = None  # why a head was refused that httptools takes
        self._refusal: RequestError | None = None  # the connection's last answer
        # "head" limits a head, or the wait for the next request; "unread" limits an answer
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Wait for the first request, for a limited time."""
        super().connection_made(transport)
        self._start_timer("head", HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_timer("head")
        self._stop_timer("unread")
        if self._answered and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data; refuse what is not HTTP, and a head that is too long."""
        self._unset_keepalive_if_required()
        if self._refusal or self.transport.is_closing():
            return
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._refuse(self._fault or _refusal_of(error, self.parser.get_method()))
            return
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            message = f"the request's headers are longer than {MAX_HEAD_BYTES:,} bytes"
            self._refuse(RequestError(431, message))
        elif "head" not in self._timers:
            self._start_timer("head", HEAD_SECONDS, self._give_up)

    def _parse(self, data: bytes) -> None:
        """Feed the parser; a request to upgrade is an ordinary request (RFC 9110, 7.8)."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                kept = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
                method, version = self.parser.get_method(), self.parser.get_http_version().encode()
                self.parser.feed_data(
                    b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, b"".join(kept))
                )
            else:
                return

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._stop_timer("head")
        self._is_in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Pass one header on. Headers after a chunked body are ignored."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is the body."""
        try:
            _check_method(self.parser.get_method())
            if self.parser.should_upgrade():
                return  # see _parse
            _check_head(self.parser.get_http_version(), self.headers)
            self.url = _origin_form(self.url)
            super().on_headers_complete()
        except RequestError as error:  # httptools raises another in its place
            self._fault = error
            raise
        self._due += 1
        self._is_in_head = False
        self._stop_timer("head")
        if not self.pipeline:
            self._answered = self.cycle
        elif len(self.pipeline) < MAX_PIPELINED:
            self.flow.resume_reading()

    def on_message_complete(self) -> None:
        """The end of a request, unless its head is parsed again."""
        if not self._is_in_head:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, for a limited time, whatever bytes arrive before it."""
        self._due -= 1
        if self.pipeline:
            self._answered = self.pipeline[-1][0]
        super().on_response_complete()
        self._watch_unread()
        if self.transport.is_closing() or self._due:
            return
        if self._refusal:
            self._answer_refusal()
        elif not self._is_in_head:
            self._start_timer("head", self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        """The client reads more slowly than the answer is written."""
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        """The client has read most of the answer."""
        super().resume_writing()
        self._watch_unread()

    def _watch_unread(self) -> None:
        """Start the timer of the unread answer again, if anything is unread."""
        self._stop_timer("unread")
        self._unread_bytes = self.transport.get_write_buffer_size()
        if self._unread_bytes:
            self._start_timer("unread", UNREAD_SECONDS, self._check_unread)

    def _check_unread(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread_bytes:
            self._watch_unread()
        else:
            self.transport.abort()

    def _start_timer(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._stop_timer(name)
        self._timers[name] = self.loop.call_later(seconds, call)

    def _stop_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    def _give_up(self) -> None:
        if not self._head_bytes:  # browsers open connections before they need them
            self.transport.close()
        else:
            message = f"the request's headers did not arrive within {HEAD_SECONDS:g} seconds"
            self._refuse(RequestError(408, message))

    def _refuse(self, error: RequestError) -> None:
        """Read no more; the connection ends with ``error``, after the answers to earlier requests."""
        self._stop_timer("head")
        self._refusal = error
        is_in_body = not self._is_in_head and self.cycle.more_body and not self.cycle.response_complete
        if is_in_body:  # this is its request's answer
            self._due -= 1
            if self.pipeline:
                self.pipeline.popleft()
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        if not self._due:
            self._answer_refusal()

    def _answer_refusal(self) -> None:
        assert self._refusal is not None  # noqa: S101 - the callers have looked
        cycle = None if self._is_in_head else self.cycle
        has_begun = cycle and cycle.response_started and not cycle.response_complete
        if not has_begun and not self.transport.is_closing():
            answer = self._refusal.response()
            head = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n".encode()
            lines = [b"%s: %s\r\n" % header for header in [*answer.raw_headers, (b"connection", b"close")]]
            self.transport.write(head + b"".join(lines) + b"\r\n" + bytes(answer.body))
        self.transport.close()
        self._watch_unread()


def _refusal_of(error: httptools.HttpParserError, method: bytes) -> RequestError:
    """Return the answer to what httptools has refused."""
    if method == b"PRI":  # what a client of HTTP/2 sends first
        return RequestError(505, "this server speaks HTTP/1.1, not HTTP/2")
    return RequestError(400, f"the request is not valid HTTP/1.1: {error}")


def _check_method(method: bytes) -> None:
    if method == b"CONNECT":
        raise RequestError(405, "this server is not a proxy: CONNECT is not taken", headers={"allow": ""})


def _check_head(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise RequestError for a head that httptools takes and this server does not."""
    if version not in {"1.0", "1.1"}:
        raise RequestError(505, f"this server speaks HTTP/1.1, not HTTP/{version}")
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (version == "1.1" and not hosts):
        raise RequestError(400, f"the request has {hosts} Host headers; HTTP/1.1 asks for one")
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (len(codings) > 1 or codings[0].lower() != b"chunked"):
        given = b", ".join(codings).decode("latin-1")
        raise RequestError(501, f"Transfer-Encoding: {given} is not taken; chunked is the only one")


def _origin_form(url: bytes) -> bytes:
    """Return the path and query of an absolute URL; ``*``, the whole server, is the path ``/``."""
    if url.startswith(b"/"):
        return url
    try:
        parsed = httptools.parse_url(b"/" if url == b"*" else url)
    except httptools.HttpParserInvalidURLError as error:
        raise RequestError(400, f"the request is not valid HTTP/1.1: {error}") from None
    return (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
