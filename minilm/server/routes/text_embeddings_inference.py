"""The API of text-embeddings-inference for embeddings: ``/embed``, ``/embed_all`` and ``/similarity``."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Response

from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.text_embeddings_inference import (
    EmbedAllRequest,
    EmbedRequest,
    SimilarityParameters,
    SimilarityRequest,
    TextEmbeddingsInferenceError,
)
from minilm.server.service import Service

# An answer of 16,384 vectors is about 80 MB of JSON.
MAX_TOKEN_VECTORS = 16_384


def text_embeddings_inference_routes(service: Service) -> APIRouter:
    """Return the routes of text-embeddings-inference that embed."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )

    @router.post("/embed", response_model=list[list[float]])
    async def embed(request: EmbedRequest) -> Response:
        """Embeddings, as text-embeddings-inference defines them: a list of vectors."""
        rows, truncated = await service.token_ids(
            request.inputs,
            param="inputs",
            truncate=request.truncate,
            side=request.truncation_direction,
            prompt_name=request.prompt_name,
        )
        vectors = await service.embed(rows, request.dimensions, is_normalized=request.normalize)
        return json_response(vectors, truncated)

    @router.post("/similarity", response_model=list[float])
    async def similarity(request: SimilarityRequest) -> Response:
        """Cosine of one sentence with each of the others, in their order."""
        options = request.parameters or SimilarityParameters()
        if not request.inputs.sentences:
            param = "inputs.sentences"
            raise RequestError(422, f"{param} is empty", param=param, code="empty_input")
        sentences = request.inputs.sentences
        names = ["source_sentence", *(f"sentences[{index}]" for index in range(len(sentences)))]
        rows, truncated = await service.token_ids(
            [request.inputs.source_sentence, *sentences],
            param="inputs",
            names=[f"inputs.{name}" for name in names],
            truncate=options.truncate,
            side=options.truncation_direction,
            prompt_name=options.prompt_name,
        )
        vectors = (await service.embed(rows)).astype(np.float64)  # (1 + n, E)
        cut, unfamiliar = (
            [index - 1 if index else names[0] for index in indices]
            for indices in (truncated, service.unfamiliar.indices(rows))
        )
        return json_response(vectors[1:] @ vectors[0], cut, unfamiliar)

    @router.post("/embed_all", response_model=list[list[list[float]]])
    async def embed_all(request: EmbedAllRequest) -> Response:
        """The vector of every token, special tokens included: not pooled and not normalized."""
        rows, truncated = await service.token_ids(
            request.inputs,
            param="inputs",
            truncate=request.truncate,
            side=request.truncation_direction,
            prompt_name=request.prompt_name,
        )
        if (tokens := sum(map(len, rows))) > MAX_TOKEN_VECTORS:
            message = f"inputs has {tokens:,} tokens; /embed_all answers {MAX_TOKEN_VECTORS:,} per request"
            raise RequestError(413, message, param="inputs", code="too_many_tokens")
        return json_response(await service.token_vectors(rows), truncated)

    return router
