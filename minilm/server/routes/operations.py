"""What operators ask for: ``/health`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from minilm.server.responses import error_responses, json_response
from minilm.server.schemas.openai import ErrorAnswer
from minilm.server.schemas.operations import HealthAnswer
from minilm.server.service import Service


def operations_routes(service: Service) -> APIRouter:
    """Return the routes for operators."""
    router = APIRouter(tags=["operation"], responses=error_responses(ErrorAnswer))

    @router.get("/health", response_model=HealthAnswer)
    async def health() -> Response:
        """200 while the server takes requests."""
        return json_response({"status": "ok"})

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Requests, latency, batch sizes and the queue, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
