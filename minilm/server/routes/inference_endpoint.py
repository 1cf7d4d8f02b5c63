"""``POST /`` and ``/invocations``, to which Hugging Face's clients and SageMaker send every request.

The form of a request says which route it is for.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from fastapi.routing import APIRoute
from pydantic import Discriminator, Tag

from minilm.server.responses import error_responses
from minilm.server.schemas.classification import PredictRequest
from minilm.server.schemas.requests import AnyOf
from minilm.server.schemas.text_embeddings_inference import (
    EmbedRequest,
    RerankRequest,
    SimilarityRequest,
    TextEmbeddingsInferenceError,
)

_PATHS: dict[type, str] = {
    EmbedRequest: "/embed",
    SimilarityRequest: "/similarity",
    RerankRequest: "/rerank",
    PredictRequest: "/predict",
}


def _path(body: Any) -> str:  # noqa: ANN401 - any JSON, or a request that was made of it
    """The route that a body is for."""
    if not isinstance(body, dict):
        return _PATHS.get(type(body), "/embed")
    inputs: Any = body.get("inputs")
    if "query" in body:
        return "/rerank"
    if isinstance(inputs, dict):
        return "/similarity"
    has_pairs = isinstance(inputs, list) and bool(inputs) and isinstance(inputs[0], list)
    is_labelled = has_pairs and any(isinstance(text, str) for text in inputs[0])
    return "/predict" if "raw_scores" in body or is_labelled else "/embed"


AnyRequest = Annotated[
    Annotated[EmbedRequest, Tag("/embed")]
    | Annotated[SimilarityRequest, Tag("/similarity")]
    | Annotated[RerankRequest, Tag("/rerank")]
    | Annotated[PredictRequest, Tag("/predict")],
    Discriminator(_path),
    AnyOf(),
]


def inference_endpoint_routes(*routers: APIRouter) -> APIRouter:
    """Return the routes that pass a request on to those of ``routers``."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    endpoints = {route.path: route.endpoint for route in routes}

    @router.post("/", response_model=list[Any])
    @router.post("/invocations", response_model=list[Any])
    async def infer(request: Annotated[AnyRequest, Body()]) -> Response:
        """The answer of /embed, /similarity, /rerank or /predict: the form of the request decides."""
        answer: Response = await endpoints[_PATHS[type(request)]](request)
        return answer

    return router
