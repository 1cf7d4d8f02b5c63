"""text-embeddings-inference's ``/info``: the served model and the limits of the server."""

from __future__ import annotations

from fastapi import APIRouter, Response

from minilm import __version__
from minilm.fast.cores import available_cores
from minilm.server.batching import BATCH_TOKENS
from minilm.server.names import ModelNames
from minilm.server.responses import error_responses, json_response
from minilm.server.schemas.information import InfoAnswer
from minilm.server.schemas.text_embeddings_inference import TextEmbeddingsInferenceError
from minilm.server.service import Service


def information_routes(service: Service) -> APIRouter:
    """Return the route that describes the server."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )
    model, settings = service.model, service.settings
    shortest = max(1, sum(map(len, model.tokenizer.special_token_ids)))
    fields = {
        "model_id": ModelNames(model.checkpoint).listed[0],
        "model_sha": model.checkpoint.revision,
        "model_dtype": "float32",
        "served_model_name": service.names.listed[0],
        "model_type": {"embedding": {"pooling": "+".join(model.config.pooling)}},
        "max_concurrent_requests": settings.max_queue_tokens // shortest,
        "max_input_length": model.max_seq_length,
        "max_batch_tokens": BATCH_TOKENS * model.threads,
        "max_batch_requests": None,
        "max_client_batch_size": settings.max_texts,
        "auto_truncate": settings.auto_truncate,
        "tokenization_workers": available_cores(),
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }

    @router.get("/info", response_model=InfoAnswer)
    async def info() -> Response:
        """The served model and the limits of the server."""
        return json_response(fields)

    return router
