"""What stands before every route: who may come in, how much they may bring, and what is counted."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import TYPE_CHECKING

from minilm.server.errors import error_body, error_response
from minilm.server.limits import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from minilm.server.metrics import Metrics

# Everything comes from this server; scripts and styles only from files of their own, never inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A client that is still sending does not read the answer, and loses it when the connection closes: what is
# too long, or comes without the key, is read to its end, up to so many times the limit, before it is refused.
DRAIN = 4
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
# What shows the page and the state of the server; everything else asks for the key, if there is one.
OPEN_PATHS = frozenset(
    {"/", "/page.css", "/page.js", "/health", "/metrics", "/docs", "/docs.js", "/openapi.json"}
)


class Gate:
    """Key, body size, slow bodies, security headers and metrics, around an ASGI application."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            refused = self._refuse(scope)
            body = await self._body(receive, refused)
            if isinstance(body, bytes):
                whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
                body = None  # it is given once, and not kept beside what is made of it

                async def receive_again() -> Message:
                    return whole.pop() if whole else await receive()

                await self._app(scope, receive_again, send_and_note)
            else:
                if body is None:  # the client went away before its body came
                    return
                number, message, code = body
                headers = {"connection": "close"}  # there may be more of the body
                if number == 401:
                    headers["www-authenticate"] = "Bearer"
                response = error_response(number, error_body(number, message, code=code), headers)
                await response(scope, receive, send_and_note)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", None) or (scope["path"] if scope["path"] in OPEN_PATHS else "other")
            self._metrics.requests.labels(_method(scope["method"]), path, str(status)).inc()
            self._metrics.latency.labels(path).observe(time.perf_counter() - begun)

    def _refuse(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        key = self._settings.api_key
        is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith("/swagger/")
        if key is not None and not is_open:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            # in constant time, so that a wrong key does not show how much of it was right
            is_right = hmac.compare_digest(given.strip(), key.encode())
            if scheme.lower() != b"bearer" or not is_right:
                return (
                    401,
                    "this server asks for a key: send it as 'Authorization: Bearer KEY'",
                    "invalid_api_key",
                )
        return None

    def _too_large(self) -> tuple[int, str, str]:
        limit = self._settings.max_body_bytes
        return 413, f"the body is longer than this server's limit of {limit:,} bytes", "body_too_large"

    async def _body(
        self, receive: Receive, refused: tuple[int, str, str] | None
    ) -> bytes | tuple[int, str, str] | None:
        """All of the body, held to its limit and to a deadline, before anything is made of it.

        Of a request that is ``refused`` anyway it is read, and not kept.
        """
        seconds = self._settings.body_seconds
        kept = bytearray()  # one piece, however small those are in which it comes
        size = 0

        async def read() -> bytes | tuple[int, str, str] | None:
            nonlocal size
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                piece = message.get("body", b"")
                size += len(piece)
                is_last = not message.get("more_body", False)
                if not refused and size <= self._settings.max_body_bytes:
                    kept.extend(piece)
                elif is_last or size > DRAIN * self._settings.max_body_bytes:
                    return refused or self._too_large()
                else:
                    kept.clear()  # read on, and keep nothing
                if is_last:
                    return bytes(kept)

        try:
            return await asyncio.wait_for(read(), seconds)
        except asyncio.TimeoutError:
            return refused or (408, f"the body did not arrive within {seconds:g} seconds", "body_too_slow")


def _method(method: str) -> str:
    return method if method in {"GET", "POST", "HEAD", "OPTIONS"} else "other"
