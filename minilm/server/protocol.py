"""HTTP/1.1 by uvicorn and httptools, with limits on the memory and time of a connection.

Neither uvicorn nor httptools limits a head (the request line and the headers). A client without a key could
send headers until the memory is full, or hold a connection forever with an incomplete head. Any byte ends
uvicorn's keep-alive timeout, so that timeout does not limit a connection. And uvicorn waits forever for a
client to read an answer. The limits of the body are in ``middleware.py``.

httptools stops at a request that offers another protocol (``Upgrade``, by which Java asks for HTTP/2). It
loses the body, and takes a body that arrives later for the next request. Such a request is parsed again
without the offer: RFC 9110, 7.8, lets a server ignore it. uvicorn's other parser, h11, would do so by itself.
But it accepts what proxies may read differently, like a Content-Length beside a Transfer-Encoding.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from minilm.server.responses import RequestError

MAX_HEAD_BYTES = 65_536  # as much as uvicorn's other parser, h11, takes
HEAD_SECONDS = 30.0  # for a connection's first byte, and from a request's first byte to the end of its head
OFFER = {b"upgrade", b"http2-settings"}
UNREAD_SECONDS = 60.0  # after this time, a client that reads nothing of its answer is disconnected


class _Parser(httptools.HttpRequestParser):  # type: ignore[misc, unused-ignore]  # some versions have no types
    """A parser for which there is no protocol but HTTP/1.1."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:  # noqa: ANN401 - bytes, or what else httptools takes
        """Parse the data; parse a head that offers another protocol again, without the offer."""
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                data = self._protocol.head_without_offer() + data[stop.args[0] :]
            else:
                return


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self._fault: tuple[int, str] | None = None  # why the head that is parsed is refused
        self._refusal: tuple[int, str] | None = None  # what is sent after the answers to earlier requests
        self._head_bytes = 0
        self._is_in_head = True
        self._unread_bytes = 0
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
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data; refuse a head that is too long."""
        if self._refusal:
            return
        super().data_received(data)
        if self.transport.is_closing():  # the data was not HTTP, and uvicorn has answered so
            self._watch_unread()
            return
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"the request's headers are longer than {MAX_HEAD_BYTES:,} bytes")
        elif "head" not in self._timers:
            self._start_timer("head", HEAD_SECONDS, self._give_up)

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
        if self.parser.get_method() == b"CONNECT":
            self._fault = 405, "CONNECT is for proxies, and this server is none"
        elif any(
            name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers
        ):
            self._fault = 501, "the Transfer-Encoding must be chunked; Content-Encoding may compress a body"
        if self._fault:
            raise ValueError(self._fault)  # ends the parsing, and comes back to send_400_response
        if self.parser.should_upgrade():  # it will be parsed again
            return
        self._is_in_head = False
        self._stop_timer("head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of the body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def head_without_offer(self) -> bytes:
        """The head that was just parsed, without the offer of another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in OFFER]
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it says only that
        """Refuse what is not HTTP/1.1, or what was refused while its head was parsed."""
        message = f"this is not a valid HTTP/1.1 request: {sys.exc_info()[1]}"
        self._refuse(*self._fault or (400, message))

    def on_response_complete(self) -> None:
        """Wait for the next request, for a limited time, whatever bytes arrive before it."""
        super().on_response_complete()
        if self._refusal:
            self._refuse(*self._refusal)
        self._watch_unread()
        is_busy = self._is_in_head or not self.cycle.response_complete  # the next request has started
        if not is_busy and not self.transport.is_closing():
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
            self._refuse(408, f"the request's headers did not arrive within {HEAD_SECONDS:g} seconds")

    def _refuse(self, status: int, message: str) -> None:
        """Answer and close the connection, once the requests before this one are answered."""
        cycle = self.cycle
        if self.pipeline or (cycle and not cycle.more_body and not cycle.response_complete):
            self._refusal = status, message
            return
        body = bytes(RequestError(status, message).response().body)
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._stop_timer("head")
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)
            self.transport.close()
            self._watch_unread()
