"""The page, its files, and what it asks for: ``/compare`` and ``/matrix``."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from importlib.resources import files

import numpy as np
from fastapi import APIRouter, Response

from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.openai import ErrorAnswer
from minilm.server.schemas.page import CompareAnswer, CompareRequest, MatrixAnswer, MatrixRequest
from minilm.server.service import Service

UNEXPLAINED = "the score is not a sum over pairs of tokens: this checkpoint has a Dense module after pooling"

# By path: the package that has the file, its name there, and its media type.
PAGE_FILES = {
    "/": ("minilm.server", "page/index.html", "text/html"),
    "/page.css": ("minilm.server", "page/page.css", "text/css"),
    "/page.js": ("minilm.server", "page/page.js", "text/javascript"),
    "/docs": ("minilm.server", "page/docs.html", "text/html"),
    "/docs.js": ("minilm.server", "page/docs.js", "text/javascript"),
    "/swagger/swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css", "text/css"),
    "/swagger/swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js", "text/javascript"),
}


def page_routes(service: Service) -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter(tags=["page"], responses=error_responses(ErrorAnswer))
    for path, (package, name, media_type) in PAGE_FILES.items():
        content = files(package).joinpath(name).read_bytes()
        router.add_api_route(path, _static(content, media_type), include_in_schema=False)

    def answer(started: float, rows: list[list[int]], truncated: list[int], **scores: object) -> Response:
        fields = {
            **scores,
            "tokens": [len(row) for row in rows],
            "truncated": truncated,
            "max_seq_length": service.model.max_seq_length,
            "milliseconds": round(1000 * (time.perf_counter() - started), 2),
        }
        return json_response(fields)

    @router.post("/compare", response_model=CompareAnswer)
    async def compare(request: CompareRequest) -> Response:
        """The score of two texts and, with ``explain``, what each pair of tokens adds to it, or why not."""
        started = time.perf_counter()
        texts, names = [request.text_a, request.text_b], ("text_a", "text_b")
        for name, text in zip(names, texts, strict=True):
            if not text.strip():
                raise RequestError(422, "Please enter text to compare.", param=name, code="blank_text")
        param = "text_a and text_b"
        if request.explain and not service.model.config.dense:
            explanation, rows, truncated = await service.explain(texts, param, names)
            return answer(started, rows, truncated, score=explanation.score, **explanation.as_dict())
        rows, truncated = await service.token_ids(texts, param=param, names=names, truncate=True)
        vectors = (await service.embed(rows)).astype(np.float64)  # (2, E)
        reason = {"unexplained": UNEXPLAINED} if request.explain else {}
        return answer(started, rows, truncated, score=vectors[0] @ vectors[1], **reason)

    @router.post("/matrix", response_model=MatrixAnswer)
    async def matrix(request: MatrixRequest) -> Response:
        """Cosine of each text with each."""
        started = time.perf_counter()
        rows, truncated = await service.token_ids(request.texts, param="texts", truncate=True)
        vectors = (await service.embed(rows)).astype(np.float64)  # (n, E)
        return answer(started, rows, truncated, similarities=vectors @ vectors.T)

    return router


def _static(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=media_type)

    return answer
