"""Content-Encoding: bodies of requests that are compressed, and large answers that are compressed.

A decoded body has the same limit as one that comes as it is. It is one stream: streams in a row, each of a
few bytes, would cost much time and bring no text.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minilm.server.responses import RequestError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAKEN = "gzip, deflate, zstd"  # of a request
MINIMUM_BYTES = 1024  # shorter answers are sent as they are
_ZSTD_WINDOW_LOG = 23  # 8 MiB, the most that RFC 9659 allows, so that a small body cannot ask for much memory
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    "deflate": zlib.decompressobj,
    "zstd": lambda: zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    ),
}


def _gzip(content: bytes, level: int = 1) -> bytes:
    compressor = zlib.compressobj(level, wbits=16 + zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


# The first is preferred. JSON of floats and base64 shrink little, so the fastest levels.
_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda content: zstd.compress(content, 1),
    "gzip": _gzip,
}


def body_coding(headers: Headers) -> str | None:
    """Return the coding of a request's body, if there is one; RequestError (415) for what is not decoded."""
    codings = [
        coding
        for part in ",".join(headers.getlist("content-encoding")).split(",")
        if (coding := part.strip().lower()) not in {"", "identity"}
    ]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _DECOMPRESSORS:
        given = ", ".join(codings)
        message = f"Content-Encoding: {given} is not decoded; send the body as it is, or by one of {TAKEN}"
        raise RequestError(
            415,
            message,
            code="unsupported_encoding",
            headers={"accept-encoding": TAKEN, "connection": "close"},
        )
    return codings[0]


def decode(body: bytes, coding: str, limit: int) -> bytes:
    """Return the decoded body; RequestError if it is longer than ``limit`` (413) or not that coding (400)."""
    decompressor = _DECOMPRESSORS[coding]()
    reason = ""
    content = b""
    try:
        content = decompressor.decompress(body, limit + 1)  # stops there
    except (zlib.error, zstd.ZstdError) as error:
        reason = str(error)
    if len(content) > limit:
        message = f"the decoded body is longer than this server's limit of {limit:,} bytes"
        raise RequestError(413, message, code="body_too_large")
    if not reason and not decompressor.eof:
        reason = "it ends too early"
    elif not reason and decompressor.unused_data:
        reason = "bytes follow its end; send one stream"
    if reason:
        message = f"the body is not valid {coding}, which its Content-Encoding says: {reason}"
        raise RequestError(400, message, code="invalid_encoding")
    return content


class Compress:
    """Compress the large answers of an ASGI application, for clients that accept it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coding = answer_coding(Headers(scope=scope).get("accept-encoding", ""))
        start: Message = {}

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start:
                start, first = {}, start
                message = await _compressed(first, message, coding)
                await send(first)
            await send(message)

        await self._app(scope, receive, send_compressed)


def answer_coding(accept_encoding: str) -> str | None:
    """Return the coding that a client likes best of those that this server has; None for no coding.

    Examples
    --------
    >>> answer_coding("gzip, deflate, br"), answer_coding("gzip;q=0"), answer_coding("gzip;q=1, zstd;q=0.5")
    ('gzip', None, 'gzip')
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        try:
            weights[name.strip()] = float(parameter.partition("=")[2]) if parameter.strip() else 1.0
        except ValueError:  # not a number: this coding is not asked for
            weights[name.strip()] = 0.0
    others = weights.get("*", 0.0)
    best = max(_COMPRESSORS, key=lambda name: weights.get(name, others))  # the first of equals
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


async def _compressed(start: Message, message: Message, coding: str | None) -> Message:
    """Return the body, compressed if it is large and whole, and write so into the headers of ``start``."""
    body = message.get("body", b"")
    headers = MutableHeaders(raw=start["headers"])
    is_whole = not message.get("more_body", False) and "content-encoding" not in headers
    if not is_whole or len(body) < MINIMUM_BYTES:
        return message
    headers.add_vary_header("Accept-Encoding")
    if coding is not None:
        body = await asyncio.to_thread(_COMPRESSORS[coding], body)
        headers["content-encoding"], headers["content-length"] = coding, str(len(body))
    start["headers"] = headers.raw
    return {**message, "body": body}
