"""Ollama's API: ``/api/embed`` and ``/api/embeddings``, and what its clients ask first."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timezone
from functools import cache
from math import prod
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from minilm import __version__
from minilm._files import json_bytes
from minilm.checkpoint.weights import expected_shapes
from minilm.hub import Checkpoint, sha256_of_files
from minilm.model import MiniLM
from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.ollama import (
    OllamaEmbedAnswer,
    OllamaEmbeddingsAnswer,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
    OllamaError,
    OllamaRequest,
    OllamaShowAnswer,
    OllamaShowRequest,
    OllamaTagsAnswer,
    OllamaVersionAnswer,
)
from minilm.server.service import Service


class _AnyContentType(APIRoute):
    """A route whose body is JSON, whatever its Content-Type: Ollama's own examples for curl give none."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            others = [header for header in request.scope["headers"] if header[0] != b"content-type"]
            headers = [*others, (b"content-type", b"application/json")]
            return await handle(Request({**request.scope, "headers": headers}, request.receive))

        return handle_json


def ollama_routes(service: Service) -> APIRouter:
    """Return the routes of Ollama's API."""
    router = APIRouter(tags=["Ollama"], responses=error_responses(OllamaError), route_class=_AnyContentType)
    _add_embedding_routes(router, service)
    _add_model_routes(router, service)
    return router


def _add_embedding_routes(router: APIRouter, service: Service) -> None:
    @router.post("/api/embed", response_model=OllamaEmbedAnswer)
    async def embed(request: OllamaEmbedRequest) -> Response:
        """Embeddings of a text or of several, each of length 1."""
        started = time.perf_counter_ns()
        _check(service, request)
        rows: list[list[int]] = []
        truncated: list[int] = []
        vectors: Any = []
        if request.input:  # Ollama's answer to no input, and to an empty text, has no embedding
            rows, truncated = await service.token_ids(request.input, param="input", truncate=request.truncate)
            vectors = await service.embed(rows, request.dimensions or None)
        answer = {
            "model": service.names.listed[0],
            "embeddings": vectors,
            "total_duration": time.perf_counter_ns() - started,
            "load_duration": 0,
            "prompt_eval_count": sum(map(len, rows)),
        }
        return json_response(answer, truncated)

    @router.post("/api/embeddings", response_model=OllamaEmbeddingsAnswer)
    async def embeddings(request: OllamaEmbeddingsRequest) -> Response:
        """The embedding of one text, of length 1; /api/embed does more."""
        _check(service, request)
        if not request.prompt:
            return json_response({"embedding": []})
        rows, truncated = await service.token_ids(request.prompt, param="prompt")
        return json_response({"embedding": (await service.embed(rows))[0]}, truncated)


def _add_model_routes(router: APIRouter, service: Service) -> None:
    model = service.model

    async def card() -> dict[str, Any]:
        """What the list of models and the model's own page have in common."""
        _, modified, _ = await asyncio.to_thread(_files_of, model.checkpoint)
        return {"details": _details(model), "capabilities": ["embedding"], "modified_at": modified}

    @router.get("/api/tags", response_model=OllamaTagsAnswer)
    async def tags() -> Response:
        """The model that is served, under each of its names."""
        fields = await card()
        fields["size"], _, fields["digest"] = _files_of(model.checkpoint)
        return json_response({"models": [{"name": n, "model": n, **fields} for n in service.names.listed]})

    @router.post("/api/show", response_model=OllamaShowAnswer)
    async def show(request: OllamaShowRequest) -> Response:
        """The shape of the model."""
        name = request.model or request.name
        if not name:
            raise RequestError(422, "model is required", param="model")
        _check_name(service, name)
        return json_response({**await card(), "model_info": _model_info(model)})

    @router.get("/api/version", response_model=OllamaVersionAnswer)
    async def version() -> Response:
        """The version of minilm."""
        return json_response({"version": __version__})


def _check(service: Service, request: OllamaRequest) -> None:
    if service.settings.strict_model:
        _check_name(service, request.model)
    most = service.model.max_seq_length
    if (length := (request.options or {}).get("num_ctx", most)) < most:
        message = f"options.num_ctx is {length}, but this server reads {most} tokens per text"
        remedy = f"leave it out, or start the server with --max-seq-length {length}"
        raise RequestError(422, f"{message}: {remedy}", param="options.num_ctx")


def _check_name(service: Service, name: str) -> None:
    """Refuse a name under which nothing is served; a client may add Ollama's default tag to it."""
    service.names.resolve(name if name in service.names.listed else name.removesuffix(":latest"))


@cache  # the files are read when a client asks first, and not again
def _files_of(checkpoint: Checkpoint) -> tuple[int, str, str]:
    """The size of a model's files in bytes, when the last of them was changed, and a digest of all."""
    digests = sha256_of_files(checkpoint)
    stats = [(checkpoint.directory / name).stat() for name in digests]
    modified = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), timezone.utc)
    digest = hashlib.sha256(json_bytes(digests)).hexdigest()
    return sum(stat.st_size for stat in stats), modified.isoformat(), digest


def _parameter_count(model: MiniLM) -> int:
    return sum(prod(shape) for shape in expected_shapes(model.config).values())


def _details(model: MiniLM) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": "bert",
        "families": ["bert"],
        "parameter_size": f"{_parameter_count(model) / 1e6:.2f}M",
        "quantization_level": "F32",
        "context_length": model.max_seq_length,
        "embedding_length": model.embedding_dimension,
    }


def _model_info(model: MiniLM) -> dict[str, Any]:
    """The shape of the model, under the names that Ollama takes from GGUF files."""
    config = model.config
    return {
        "general.architecture": "bert",
        "general.parameter_count": _parameter_count(model),
        "bert.attention.head_count": config.num_attention_heads,
        "bert.attention.layer_norm_epsilon": config.layer_norm_eps,
        "bert.block_count": config.num_hidden_layers,
        "bert.context_length": model.max_seq_length,
        "bert.embedding_length": model.embedding_dimension,
        "bert.feed_forward_length": config.intermediate_size,
        "bert.vocab_size": config.vocab_size,
    }
