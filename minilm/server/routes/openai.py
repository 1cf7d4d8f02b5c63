"""OpenAI's API: ``/v1/embeddings`` and ``/v1/models``."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from minilm.server.responses import RequestError, json_response
from minilm.server.schemas import EmbeddingsAnswer, EmbeddingsRequest, ErrorAnswer, ModelCard, ModelsAnswer
from minilm.server.service import Service


def openai_routes(service: Service) -> APIRouter:
    """Return the routes of OpenAI's API."""
    router = APIRouter(tags=["OpenAI"])
    model_card = {
        "id": service.name,
        "object": "model",
        "created": service.started,
        "owned_by": "sentence-transformers",
    }

    @router.post("/v1/embeddings", response_model=EmbeddingsAnswer)
    async def embeddings(request: EmbeddingsRequest) -> Response:
        """Embeddings, as OpenAI defines them. ``truncated`` lists the inputs that were cut, if any were."""
        rows, truncated = await service.token_ids(request.input, param="input")
        vectors = await service.embed(rows, request.dimensions)
        encoded: Sequence[Any] = list(vectors)
        if request.encoding_format == "base64":
            encoded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
        tokens = sum(map(len, rows))
        answer = {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(encoded)],
            "model": request.model or service.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return json_response({**answer, "truncated": truncated} if truncated else answer)

    @router.get("/v1/models", response_model=ModelsAnswer)
    async def models() -> Response:
        """The one model that is served."""
        return json_response({"object": "list", "data": [model_card]})

    @router.get("/v1/models/{model:path}", response_model=ModelCard, responses={404: {"model": ErrorAnswer}})
    async def one_model(model: str) -> Response:
        """The model, by its name."""
        if model not in {service.name, f"sentence-transformers/{service.name}"}:
            message = f"the model {model!r} is not served here; {service.name!r} is"
            raise RequestError(404, message, param="model")
        return json_response(model_card)

    return router
