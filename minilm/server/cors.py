"""Cross-origin requests: what a browser may send from the pages of another site, and what it may read."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp

_PRIVATE_NETWORK = "access-control-request-private-network"


class Cors(CORSMiddleware):
    """Allow the origins that are named, with any header: clients send their own (``x-stainless-*``)."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],  # a preflight is answered with the headers that it asks for
            expose_headers=["*"],  # Retry-After, Server-Timing and those to come; there are no cookies
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight; a page that is named may also reach a server on a private network."""
        others = [header for header in request_headers.raw if header[0] != _PRIVATE_NETWORK.encode()]
        response = super().preflight_response(Headers(raw=others))
        if response.status_code == 200 and _PRIVATE_NETWORK in request_headers:
            response.headers["Access-Control-Allow-Private-Network"] = "true"
        return response
