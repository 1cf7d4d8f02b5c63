"""Around every request: its id, Server-Timing, and one line in the access log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minilm.server.request_record import RequestRecord, start_record
from minilm.server.responses import CLIENT_LEFT

logger = logging.getLogger(__name__)

MOST_PATH = 256  # characters of a path in the log
# What an id of a client may be; another one is replaced, because it could forge lines of a log.
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class AccessLog:
    """Request id, Server-Timing and access log, around an ASGI application; nothing is outside of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = start_record(_request_id(scope))
        started, status, size = time.perf_counter(), 0, 0

        async def send_counted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", record.request_id.encode())]
                if record.seconds:
                    headers.append((b"server-timing", record.server_timing().encode()))
                message = {**message, "headers": headers}
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            status = status or 500  # outside of the gate, which answers all others
            raise
        finally:
            if logger.isEnabledFor(logging.INFO):
                seconds = time.perf_counter() - started
                fields = _line_of(scope, record, status or CLIENT_LEFT, size, seconds)
                logger.info("%s", _plain(fields), extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    sent = dict(scope["headers"]).get(b"x-request-id", b"")
    return sent.decode() if _SANE_ID.fullmatch(sent) else uuid.uuid4().hex


def _line_of(scope: Scope, record: RequestRecord, status: int, size: int, seconds: float) -> dict[str, Any]:
    """What the log says of a request; the query and the body of a request are never in it."""
    return {
        "client": (scope.get("client") or ["-"])[0] or "-",
        "method": quote(scope["method"]),
        "path": quote(scope["path"], safe="/:@!$&()*+,;=~")[:MOST_PATH],
        "status": status,
        "bytes": 0 if scope["method"] == "HEAD" else size,
        "ms": round(1000 * seconds, 3),
        "texts": record.texts,
        "tokens": record.tokens,
        "truncated": record.truncated,
        "queue_ms": round(1000 * record.seconds.get("queue", 0.0), 3),
        "request_id": record.request_id,
    }


def _plain(fields: dict[str, Any]) -> str:
    """``127.0.0.1 "POST /embed" 200 bytes=... ms=...``; no field has a space or a quote."""
    client, method, path, status = (fields[name] for name in ("client", "method", "path", "status"))
    rest = " ".join(f"{name}={value}" for name, value in list(fields.items())[4:])
    return f'{client} "{method} {path}" {status} {rest}'
