"""The path prefix under which a proxy shows the server, whether or not the proxy takes it off."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class PathPrefix:
    """Take ``prefix`` off the path of a request, so that nothing behind has to know it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        prefix = self._prefix
        if scope["type"] == "http" and scope["path"] == prefix:  # the page's links are relative to the "/"
            await Response(status_code=308, headers={"location": f"{prefix}/"})(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"].startswith(f"{prefix}/"):
            scope = {**scope, "path": scope["path"].removeprefix(prefix)}
        await self._app(scope, receive, send)
