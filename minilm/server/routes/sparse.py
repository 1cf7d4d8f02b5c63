"""text-embeddings-inference's ``/embed_sparse``: the words of texts and their weights."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Depends, Response

from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.sparse import EmbedSparseRequest, SparseValue
from minilm.server.schemas.text_embeddings_inference import TextEmbeddingsInferenceError
from minilm.server.sparse_encoding import SparseEncoding

# An answer of so many is about 80 MB of JSON.
MAX_VALUES = 2_000_000


def sparse_routes(encoder: SparseEncoding | None) -> APIRouter:
    """Return the route for sparse embeddings; without a sparse encoder it says that there is none."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )

    def model() -> SparseEncoding:  # also a dependency: without one, no body is right
        if encoder is None:  # the status is text-embeddings-inference's for a dense model
            raise RequestError(424, "this server has no sparse encoder: start it with --sparse-encoder MODEL")
        return encoder

    @router.post("/embed_sparse", response_model=list[list[SparseValue]], dependencies=[Depends(model)])
    async def embed_sparse(request: EmbedSparseRequest) -> Response:
        """For each text the words of the vocabulary with a weight above 0, by their token ids."""
        rows, truncated = await model().encode(
            request.inputs,
            truncate=request.truncate,
            side=request.truncation_direction,
            prompt_name=request.prompt_name,
        )
        if (values := sum(row.shape[1] for row in rows)) > MAX_VALUES:
            message = f"inputs has {values:,} weights; /embed_sparse answers {MAX_VALUES:,} per request"
            raise RequestError(413, message, param="inputs", code="too_many_weights")
        answer = [
            [
                {"index": int(index), "value": value}
                for index, value in zip(indices, weights.astype(np.float32), strict=True)
            ]
            for indices, weights in rows
        ]
        return json_response(answer, truncated)

    return router
