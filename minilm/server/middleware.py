"""The gate before every route: the key, the size and the speed of a body, headers and metrics."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minilm.server.content_encoding import body_coding, decode
from minilm.server.keys import key_refusal
from minilm.server.metrics import Metrics
from minilm.server.responses import CLIENT_LEFT, RequestError, failed_response
from minilm.server.routes.page import PAGE_FILES
from minilm.server.settings import ServerSettings

# Everything comes from this server; scripts and styles only from files of their own, never inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A client that is still sending does not read the answer, and loses it when the connection closes. So a
# refused body (too long, or without the key) is read to its end first, up to this many times the limit.
DRAIN = 4
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
# The page and the state of the server; every other path needs the key, if there is one.
OPEN_PATHS = frozenset({*PAGE_FILES, "/notebook", "/health", "/ping", "/metrics", "/openapi.json"})


def _refusal(status: int, message: str, code: str, **headers: str) -> RequestError:
    # the connection closes: there may be more of the body
    return RequestError(status, message, code=code, headers={"connection": "close", **headers})


class Gate:
    """Key, body size, slow bodies, security headers and metrics, around an ASGI application."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            await self._serve(scope, receive, send_with_headers)
            status = status or CLIENT_LEFT
        except Exception as error:  # a bug, which is counted and has the headers of any other answer
            if status:  # the answer has begun: the connection can only be closed
                raise
            response = await failed_response(Request(scope), error)
            await response(scope, receive, send_with_headers)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", None) or (scope["path"] if scope["path"] in OPEN_PATHS else "other")
            method = scope["method"] if scope["method"] in {"GET", "POST", "HEAD", "OPTIONS"} else "other"
            self._metrics.requests.labels(method, path, str(status)).inc()
            self._metrics.latency.labels(path).observe(time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        keys = self._settings.api_keys
        # the page has the path of an inference endpoint, to which requests are posted
        is_open = not keys or (scope["path"] in OPEN_PATHS and scope["method"] != "POST")
        coding: str | None = None
        refusal = None if is_open else key_refusal(scope["headers"], keys)
        try:
            coding = body_coding(Headers(scope=scope))
        except RequestError as error:
            refusal = refusal or error
        seconds = self._settings.body_seconds
        body: bytes | RequestError
        try:
            body = await asyncio.wait_for(self._read_body(Request(scope, receive), refusal), seconds)
            if coding is not None and isinstance(body, bytes) and body:
                body = await asyncio.to_thread(decode, body, coding, self._settings.max_body_bytes)
        except RequestError as error:
            body = error
        except ClientDisconnect:
            return
        except asyncio.TimeoutError:
            message = f"the body did not arrive within {seconds:g} seconds"
            body = refusal or _refusal(408, message, "body_too_slow")
        if isinstance(body, RequestError):
            await body.response(scope["path"])(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        del body  # it is given once, and not kept beside the request that is made of it

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, receive_again, send)

    async def _read_body(self, request: Request, refusal: RequestError | None) -> bytes | RequestError:
        """Return all of the body, or a refusal; nothing is kept of the body of a refused request."""
        limit = self._settings.max_body_bytes
        body = bytearray()  # one buffer, however small the pieces are
        size = 0
        async for piece in request.stream():
            size += len(piece)
            if refusal is None and size > limit:
                text = f"the body is longer than this server's limit of {limit:,} bytes"
                refusal = _refusal(413, text, "body_too_large")
                body.clear()
            if refusal is None:
                body.extend(piece)
            elif size > DRAIN * limit:
                break
        return refusal or bytes(body)
