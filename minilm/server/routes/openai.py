"""OpenAI's API: ``/v1/embeddings`` and ``/v1/models``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from minilm.server.responses import base64_floats, error_responses, json_response
from minilm.server.schemas.openai import (
    EmbeddingsAnswer,
    EmbeddingsRequest,
    ErrorAnswer,
    ModelCard,
    ModelsAnswer,
)
from minilm.server.service import Service


def openai_routes(service: Service) -> APIRouter:
    """Return the routes of OpenAI's API."""
    router = APIRouter(tags=["OpenAI"], responses=error_responses(ErrorAnswer))
    names = service.names

    def model_card(name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": service.started, "owned_by": "minilm"}

    @router.post("/embeddings", response_model=EmbeddingsAnswer)
    @router.post("/v1/embeddings", response_model=EmbeddingsAnswer)
    async def embeddings(request: EmbeddingsRequest) -> Response:
        """Embeddings, as OpenAI defines them. ``truncated`` lists the inputs that were cut, if any were."""
        if request.model and service.settings.strict_model:
            names.resolve(request.model)
        rows, truncated = await service.token_ids(request.input, param="input")
        vectors = await service.embed(rows, request.dimensions)
        encoded: Sequence[Any] = list(vectors)
        if request.encoding_format == "base64":
            encoded = list(map(base64_floats, vectors))
        tokens = sum(map(len, rows))
        answer = {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(encoded)],
            "model": names.listed[0],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return json_response({**answer, "truncated": truncated} if truncated else answer, truncated)

    @router.get("/models", response_model=ModelsAnswer)
    @router.get("/v1/models", response_model=ModelsAnswer)
    async def models() -> Response:
        """The one model that is served, once per name."""
        return json_response({"object": "list", "data": list(map(model_card, names.listed))})

    @router.get("/v1/models/{model:path}", response_model=ModelCard)
    async def one_model(model: str) -> Response:
        """The model, by its name."""
        return json_response(model_card(names.resolve(model)))

    return router
