"""What operators ask for: ``/health`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.openai import ErrorAnswer
from minilm.server.schemas.operations import HealthAnswer
from minilm.server.service import Service


def operations_routes(service: Service) -> APIRouter:
    """Return the routes for operators."""
    router = APIRouter(tags=["operation"], responses=error_responses(ErrorAnswer))

    @router.get("/ping", response_model=HealthAnswer)  # as SageMaker calls it
    @router.get("/health", response_model=HealthAnswer)
    async def health() -> Response:
        """200 while the server takes requests."""
        return json_response({"status": "ok"})

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Requests, latency, batch sizes and the queue, for Prometheus."""
        if service.settings.workers > 1:  # each would count by itself, and a scrape would meet any of them
            message = "several workers have no common metrics: run a server of one worker on each port"
            raise RequestError(404, message, code="no_metrics")
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
