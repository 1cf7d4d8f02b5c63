"""The API of text-embeddings-inference: ``/embed``, ``/similarity`` and ``/rerank``."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Response

from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.text_embeddings_inference import (
    EmbedRequest,
    RankItem,
    RerankRequest,
    SimilarityParameters,
    SimilarityRequest,
    TextEmbeddingsInferenceError,
)
from minilm.server.service import Reranking, Service


def text_embeddings_inference_routes(service: Service, reranking: Reranking | None) -> APIRouter:
    """Return the routes of text-embeddings-inference; without a reranker, /rerank says that there is none."""
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
        cut = [index - 1 if index else names[0] for index in truncated]
        return json_response(vectors[1:] @ vectors[0], cut)

    if reranking is None:

        @router.post("/rerank", include_in_schema=False)
        async def no_reranker() -> Response:
            raise RequestError(404, "this server has no reranker: start it with --reranker MODEL")

        return router

    @router.post("/rerank", response_model=list[RankItem])
    async def rerank(request: RerankRequest) -> Response:
        """Texts by how well they match a query, the best first, as text-embeddings-inference defines it."""
        scores, truncated = await reranking.scores(
            request.query,
            request.texts,
            truncate=request.truncate,
            side=request.truncation_direction,
            is_raw=request.raw_scores,
        )
        ranking = [
            {"index": int(index), "score": float(scores[index])}
            | ({"text": request.texts[index]} if request.return_text else {})
            for index in np.argsort(-scores, kind="stable")
        ]
        return json_response(ranking, truncated)

    return router
