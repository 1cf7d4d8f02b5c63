"""HTTP/1.1 by uvicorn and httptools, but a head (request line and headers) has a largest size and a time.

Neither of the two limits it, so that a client without a key could send headers until the memory is full, or
hold a connection for ever with half of one. The body has its own limits, in ``middleware.py``.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from minilm.server.errors import error_body

MAX_HEAD_BYTES = 65_536  # as much as uvicorn's other parser, h11, takes
HEAD_SECONDS = 30.0  # from the connection, or the first byte of a further request on it


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._is_in_head = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is still the head and too much of it."""
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"the request's headers are longer than {MAX_HEAD_BYTES:,} bytes")
        elif self._timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._is_in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; after a body in chunks there may be more, which nobody reads."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The rest is the body."""
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if not self._head_bytes:  # nothing was asked: a browser opens a connection to have it ready
            self.transport.close()
            return
        self._refuse(408, f"the request's headers did not arrive within {HEAD_SECONDS:g} seconds")

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps(error_body(status, message)).encode()
        reason = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)
            self.transport.close()
