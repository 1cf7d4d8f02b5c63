"""Reranking as text-embeddings-inference (``/rerank``), Cohere and Jina (``/v1/rerank`` ...) define it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Body, Depends, Response
from pydantic import Discriminator, Tag

from minilm.server.cross_encoding import CrossEncoding
from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.requests import AnyOf
from minilm.server.schemas.rerank import DocumentsRequest, RerankAnswer, RerankError
from minilm.server.schemas.text_embeddings_inference import (
    RankItem,
    RerankRequest,
    TextEmbeddingsInferenceError,
)
from minilm.server.service import Service


def _form(body: Any) -> str | None:  # noqa: ANN401 - any JSON, or a request that was made of it
    """Which protocol a body of /rerank is in; None if it has the texts of none, or of both."""
    if not isinstance(body, dict):
        return "documents-form" if isinstance(body, DocumentsRequest) else "texts-form"
    forms = [f"{name}-form" for name in ("texts", "documents") if name in body]
    return forms[0] if len(forms) == 1 else None


# The tags have hyphens so that no error takes them for a field.
AnyRerankRequest = Annotated[
    Annotated[RerankRequest, Tag("texts-form")] | Annotated[DocumentsRequest, Tag("documents-form")],
    Discriminator(
        _form,
        custom_error_type="form",
        custom_error_message="an object with texts (text-embeddings-inference) or documents (Cohere, Jina)",
    ),
    AnyOf(),
]


def rerank_routes(service: Service, reranking: CrossEncoding | None) -> APIRouter:
    """Return the routes that rank texts; without a reranker each says that there is none."""
    router = APIRouter()

    def reranker() -> CrossEncoding:  # also a dependency: without one, no body is right
        if reranking is None:
            raise RequestError(404, "this server has no reranker: start it with --reranker MODEL")
        return reranking

    of_cohere: Any = {
        "response_model": RerankAnswer,
        "responses": error_responses(RerankError),
        "dependencies": [Depends(reranker)],
        "tags": ["Cohere and Jina"],
    }

    async def ranked_documents(request: DocumentsRequest, *, returns_documents: bool = True) -> Response:
        if request.model and service.settings.strict_model:
            reranker().names.resolve(request.model)
        if request.return_documents is not None:
            returns_documents = request.return_documents
        return await _ranked_documents(reranker(), request, returns_documents)

    @router.post(
        "/rerank",
        response_model=list[RankItem] | RerankAnswer,
        responses=error_responses(TextEmbeddingsInferenceError),
        dependencies=[Depends(reranker)],
        tags=["text-embeddings-inference"],
    )
    async def rerank(request: Annotated[AnyRerankRequest, Body()]) -> Response:
        """Texts by how well they match a query, the best first.

        With ``texts`` as text-embeddings-inference defines it, with ``documents`` as /v1/rerank.
        """
        if isinstance(request, RerankRequest):
            return await _ranked_texts(reranker(), request)
        return await ranked_documents(request)

    @router.post("/v1/rerank", **of_cohere)
    async def rerank_v1(request: DocumentsRequest) -> Response:
        """Documents by how well they match a query, the best first."""
        return await ranked_documents(request)

    @router.post("/v2/rerank", **of_cohere)
    async def rerank_v2(request: DocumentsRequest) -> Response:
        """As /v1/rerank; documents are returned only on demand."""
        return await ranked_documents(request, returns_documents=False)

    return router


async def _ranked_texts(reranker: CrossEncoding, request: RerankRequest) -> Response:
    """The answer of text-embeddings-inference."""
    ranking = await reranker.rank(
        request.query,
        request.texts,
        truncate=request.truncate,
        side=request.truncation_direction,
        is_raw=request.raw_scores,
    )
    results = [
        {"index": index, "score": score} | ({"text": request.texts[index]} if request.return_text else {})
        for index, score in zip(ranking.indices, ranking.scores, strict=True)
    ]
    return json_response(results, ranking.truncated)


async def _ranked_documents(
    reranker: CrossEncoding, request: DocumentsRequest, returns_documents: bool
) -> Response:
    """The answer of Cohere and of Jina in one."""
    ranking = await reranker.rank(
        request.query,
        request.texts,
        param="documents",
        is_raw=request.raw_scores or not request.use_activation,
        top_n=request.top_n,
        max_tokens_per_text=request.max_tokens_per_doc,
    )
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": score}
        for index, score in zip(ranking.indices, ranking.scores, strict=True)
    ]
    for result in results if returns_documents else ():
        document = request.documents[result["index"]]
        result["document"] = {"text": document} if isinstance(document, str) else document
    answer = {
        "id": str(uuid4()),
        "model": reranker.names.listed[0],
        "results": results,
        "usage": {"prompt_tokens": ranking.tokens, "total_tokens": ranking.tokens},
        "meta": {
            "api_version": {"version": "2"},
            "tokens": {"input_tokens": ranking.tokens, "output_tokens": 0},
        },
    }
    return json_response(answer, ranking.truncated)
