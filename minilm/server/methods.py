"""HEAD as GET without its body, OPTIONS, and the methods of a path in ``Allow``."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Methods:
    """Around an application with ``routes``. The ASGI server leaves out the body of an answer to HEAD."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and (allow := self._allow(scope)):
            await Response(status_code=204, headers={"allow": allow})(scope, receive, send)
            return

        async def send_with_allow(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                kept = [header for header in message["headers"] if header[0] != b"allow"]
                message = {**message, "headers": [*kept, (b"allow", self._allow(scope).encode())]}
            await send(message)

        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self._app(inner, receive, send_with_allow)
        finally:
            if "route" in inner:  # for the metrics
                scope["route"] = inner["route"]

    def _allow(self, scope: Scope) -> str:
        """Return the methods of the path; none if there is no such path."""
        methods = [method for method in ("GET", "POST") if self._has(scope, method)]
        if "GET" in methods:
            methods.append("HEAD")
        return ", ".join([*methods, "OPTIONS"] if methods else [])

    def _has(self, scope: Scope, method: str) -> bool:
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] == Match.FULL for route in self._routes)
