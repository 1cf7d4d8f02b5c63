"""The routes: the page, OpenAI's embeddings, text-embeddings-inference's, and what the page asks for."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException

from minilm import __version__
from minilm.model import MiniLM
from minilm.pooling import normalize
from minilm.server.answers import (
    CompareAnswer,
    EmbeddingsAnswer,
    ErrorAnswer,
    HealthAnswer,
    MatrixAnswer,
    ModelCard,
    ModelsAnswer,
)
from minilm.server.errors import RequestError, error_body, error_response, invalid, refusal
from minilm.server.gathering import Gatherer, QueueFullError
from minilm.server.metrics import Metrics
from minilm.server.middleware import Gate
from minilm.server.requests import (
    CompareRequest,
    EmbeddingsRequest,
    EmbedRequest,
    MatrixRequest,
    SimilarityRequest,
)
from minilm.server.settings import Settings

Array = npt.NDArray[np.float32]

# Texts with fewer characters than this are tokenized where the requests are read: half a millisecond at most.
INLINE_CHARACTERS = 2_000

logger = logging.getLogger(__name__)


class Service:
    """The model behind the routes: texts or ids in, rows out, gathered with other requests."""

    def __init__(self, model: MiniLM, settings: Settings) -> None:
        self.model = model
        self.settings = settings
        self.name = model.checkpoint.directory.name
        self.started = int(time.time())
        self.metrics = Metrics(lambda: self.gatherer.waiting_tokens)
        self.gatherer = Gatherer(
            lambda ids: model.encode_tokens(ids, normalize=False),
            width=model.embedding_dimension,
            cores=model.threads,
            max_tokens=settings.max_queue_tokens,
            watcher=self.metrics,
        )

    async def token_ids(
        self,
        given: Any,  # noqa: ANN401 - a text, texts, ids, or lists of ids
        *,
        param: str,
        truncate: bool = True,
    ) -> tuple[list[list[int]], list[int]]:
        """Token ids of what a request gave, and the indices of the texts that were cut.

        Raises
        ------
        RequestError
            If there is nothing, too much, an id that the vocabulary lacks, or, without ``truncate``, a text
            that is too long.
        """
        texts, ids = _as_lists(given, param)
        self._hold_to_limits(texts if texts is not None else ids or [], param)
        longest = self.model.max_seq_length
        if texts is not None:
            if sum(map(len, texts)) < INLINE_CHARACTERS:
                tokenized = self.model.tokenizer(texts)
            else:
                tokenized = await asyncio.to_thread(self.model.tokenizer, texts)
            rows = tokenized.input_ids
            truncated = [i for i, is_cut in enumerate(tokenized.is_truncated) if is_cut]
        else:
            around = self.model.tokenizer([""]).input_ids[0]  # [CLS] and [SEP]
            rows, truncated = [], []
            for index, row in enumerate(ids or []):
                if row and max(row) >= self.model.config.vocab_size:
                    last = self.model.config.vocab_size - 1
                    raise RequestError(
                        422, f"{param}[{index}]: token id {max(row)} is not in 0 to {last}", param=param
                    )
                bare = row[1:-1] if len(row) > 1 and [row[0], row[-1]] == around else row
                if len(bare) + len(around) > longest:
                    truncated.append(index)
                rows.append([around[0], *bare[: longest - len(around)], around[1]])
        if truncated:
            if not truncate:
                long = f"{param}[{truncated[0]}] is longer than the model's {longest} tokens"
                message = f"{long}; send truncate: true to have it cut"
                raise RequestError(413, message, param=param, code="context_length_exceeded")
            self.metrics.truncated.inc(len(truncated))
            logger.info(
                "%d of %d texts of a request were cut at %d tokens", len(truncated), len(rows), longest
            )
        return rows, truncated

    async def embed(self, input_ids: Sequence[Sequence[int]]) -> Array:
        """Unnormalized embeddings (n, E)."""
        try:
            return await self.gatherer.embed(input_ids)
        except QueueFullError as error:
            headers = {"Retry-After": str(error.retry_after)}
            raise RequestError(503, str(error), code="queue_full", headers=headers) from None

    def _hold_to_limits(self, given: Sequence[Sequence[Any]], param: str) -> None:
        limits = self.settings
        if not given:
            raise RequestError(422, f"{param} is empty", param=param)
        if len(given) > limits.max_texts:
            message = (
                f"{param} has {len(given):,} texts; this server's limit is {limits.max_texts:,} a request"
            )
            raise RequestError(422, message, param=param, code="too_many_texts")
        characters = sum(map(len, given))
        if characters > limits.max_characters:
            limit = f"{limits.max_characters:,} characters a request"
            message = f"{param} has {characters:,} characters; this server's limit is {limit}"
            raise RequestError(422, message, param=param, code="too_many_characters")


def create_app(model: MiniLM, settings: Settings | None = None) -> FastAPI:
    """The application, for uvicorn or any other ASGI server.

    Parameters
    ----------
    model : MiniLM
    settings : Settings, optional
        Limits and access; the defaults are those of ``minilm serve``.
    """
    settings = settings or Settings()
    service = Service(model, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - the protocol's argument
        yield
        await asyncio.to_thread(service.gatherer.stop)

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer} for status in (400, 401, 408, 413, 422, 503)
    }
    app = FastAPI(
        title="minilm",
        version=__version__,
        summary="Sentence embeddings by all-MiniLM-L6-v2, in numpy",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=errors,
        # only for /docs, so that a key can be given there: the gate is what asks for it
        dependencies=[Depends(HTTPBearer(auto_error=False))] if settings.api_key else None,
    )
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    if settings.cors_origins:  # around the gate: a browser asks for leave without the key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:  # noqa: ARG001
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:  # noqa: ARG001
        return invalid(error)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_response(500, error_body(500, "the server failed; its log says why"))

    _add_openai(app, service)
    _add_text_embeddings_inference(app, service)
    _add_page(app, service)
    return app


def _add_openai(app: FastAPI, service: Service) -> None:
    @app.post("/v1/embeddings", tags=["OpenAI"], responses=_answers(EmbeddingsAnswer))
    async def embeddings(request: EmbeddingsRequest) -> Response:
        """Embeddings, as OpenAI defines them. ``truncated`` lists the inputs that were cut, if any were."""
        width = _dimensions(request.dimensions, service.model)
        rows, truncated = await service.token_ids(request.input, param="input")
        vectors = _finish(await service.embed(rows), width, is_normalized=True)
        if request.encoding_format == "base64":
            shown: Sequence[Any] = [base64.b64encode(v.astype("<f4").tobytes()).decode() for v in vectors]
        else:
            shown = list(vectors)
        tokens = sum(map(len, rows))
        answer = {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(shown)],
            "model": request.model or service.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return _json({**answer, "truncated": truncated} if truncated else answer)

    @app.get("/v1/models", tags=["OpenAI"], responses=_answers(ModelsAnswer))
    async def models() -> Response:
        """The one model that is served."""
        return _json({"object": "list", "data": [_model_card(service)]})

    @app.get(
        "/v1/models/{model:path}",
        tags=["OpenAI"],
        responses=_answers(ModelCard) | {404: {"model": ErrorAnswer}},
    )
    async def one_model(model: str) -> Response:
        """The model, by its name."""
        if model not in {service.name, f"sentence-transformers/{service.name}"}:
            raise RequestError(
                404, f"the model {model!r} is not served here; {service.name!r} is", param="model"
            )
        return _json(_model_card(service))


def _add_text_embeddings_inference(app: FastAPI, service: Service) -> None:
    @app.post("/embed", tags=["text-embeddings-inference"], responses=_answers(list[list[float]]))
    async def embed(request: EmbedRequest) -> Response:
        """Embeddings, as text-embeddings-inference defines them: a list of vectors."""
        _refuse_unsupported(request.prompt_name, request.truncation_direction, "prompt_name")
        width = _dimensions(request.dimensions, service.model)
        rows, _ = await service.token_ids(request.inputs, param="inputs", truncate=request.truncate)
        return _json(list(_finish(await service.embed(rows), width, is_normalized=request.normalize)))

    @app.post("/similarity", tags=["text-embeddings-inference"], responses=_answers(list[float]))
    async def similarity(request: SimilarityRequest) -> Response:
        """Cosine of one sentence with each of the others, in their order."""
        options = request.parameters
        if options:
            _refuse_unsupported(options.prompt_name, options.truncation_direction, "parameters.prompt_name")
        if not request.inputs.sentences:
            raise RequestError(422, "inputs.sentences is empty", param="inputs.sentences")
        texts = [request.inputs.source_sentence, *request.inputs.sentences]
        truncate = bool(options and options.truncate)
        rows, _ = await service.token_ids(texts, param="inputs", truncate=truncate)
        vectors = normalize(await service.embed(rows)).astype(np.float64)  # (1 + n, E)
        return _json((vectors[1:] @ vectors[0]).tolist())


def _add_page(app: FastAPI, service: Service) -> None:
    page = files("minilm.server") / "page"
    for path, name, media_type in (
        ("/", "index.html", "text/html"),
        ("/page.css", "page.css", "text/css"),
        ("/page.js", "page.js", "text/javascript"),
        ("/docs", "docs.html", "text/html"),
        ("/docs.js", "docs.js", "text/javascript"),
    ):
        content = (page / name).read_bytes()
        app.add_api_route(path, _static(content, media_type), include_in_schema=False)
    for name, media_type in (("swagger-ui.css", "text/css"), ("swagger-ui-bundle.js", "text/javascript")):
        app.add_api_route(f"/swagger/{name}", _static(_swagger(name), media_type), include_in_schema=False)

    @app.post("/compare", tags=["page"], responses=_answers(CompareAnswer))
    async def compare(request: CompareRequest) -> Response:
        """The score of two texts and, if asked for, what each pair of their tokens adds to it."""
        begun = time.perf_counter()
        texts = [request.text_a, request.text_b]
        for name, text in zip(("text_a", "text_b"), texts, strict=True):
            if not text.strip():
                raise RequestError(422, "Please enter text to compare.", param=name, code="blank_text")
        rows, truncated = await service.token_ids(texts, param="text_a and text_b")
        vectors = normalize(await service.embed(rows)).astype(np.float64)  # (2, E)
        answer: dict[str, Any] = {
            "score": float(vectors[0] @ vectors[1]),
            "tokens": [len(row) for row in rows],
            "truncated": truncated,
        }
        if request.explain:
            explanation = await asyncio.to_thread(service.model.explain, *texts)
            answer |= explanation.as_dict()
        answer["max_seq_length"] = service.model.max_seq_length
        answer["milliseconds"] = round(1000 * (time.perf_counter() - begun), 2)
        return _json(answer)

    @app.post("/matrix", tags=["page"], responses=_answers(MatrixAnswer))
    async def matrix(request: MatrixRequest) -> Response:
        """Cosine of each text with each."""
        begun = time.perf_counter()
        rows, truncated = await service.token_ids(request.texts, param="texts")
        vectors = normalize(await service.embed(rows)).astype(np.float64)  # (n, E)
        answer = {
            "similarities": (vectors @ vectors.T).tolist(),
            "tokens": [len(row) for row in rows],
            "truncated": truncated,
            "max_seq_length": service.model.max_seq_length,
            "milliseconds": round(1000 * (time.perf_counter() - begun), 2),
        }
        return _json(answer)

    @app.get("/health", tags=["operation"], responses=_answers(HealthAnswer))
    async def health() -> Response:
        """200 while the server takes requests."""
        return _json({"status": "ok"})

    @app.get("/metrics", tags=["operation"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Requests, latency, batch sizes and the queue, for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _answers(model: object) -> dict[int | str, dict[str, Any]]:
    """The type of an answer for the OpenAPI document; answers are not made of it, for speed."""
    return {200: {"model": model}}


def _as_lists(given: Any, param: str) -> tuple[list[str] | None, list[list[int]] | None]:  # noqa: ANN401
    """What a request gave as a list of texts or as a list of lists of ids."""
    if isinstance(given, str):
        texts, ids = [given], None
    elif given and isinstance(given[0], str):
        texts, ids = given, None
    elif given and isinstance(given[0], int):
        texts, ids = None, [given]
    else:
        texts, ids = None, given
    for index, text in enumerate(texts or []):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RequestError(
                422, f"{param}[{index}] holds a lone surrogate, which is no character"
            ) from None
    for index, row in enumerate(ids or []):
        if not row:
            raise RequestError(422, f"{param}[{index}] has no token ids", param=param)
    return texts, ids


def _dimensions(asked: int | None, model: MiniLM) -> int:
    width = model.embedding_dimension
    if asked is not None and asked > width:
        raise RequestError(422, f"dimensions must lie in 1 to {width}, not {asked}", param="dimensions")
    return asked or width


def _finish(vectors: Array, width: int, *, is_normalized: bool) -> Array:
    kept = vectors[:, :width]
    return np.ascontiguousarray(normalize(kept) if is_normalized else kept, dtype=np.float32)


def _refuse_unsupported(prompt_name: str | None, direction: str, param: str) -> None:
    if prompt_name is not None:
        raise RequestError(422, f"this model has no prompts, and so none named {prompt_name!r}", param=param)
    if direction.lower() == "left":
        message = "texts are cut at their end only: truncation_direction must be 'Right'"
        raise RequestError(422, message, param="truncation_direction")


def _model_card(service: Service) -> dict[str, Any]:
    return {
        "id": service.name,
        "object": "model",
        "created": service.started,
        "owned_by": "sentence-transformers",
    }


def _static(content: bytes, media_type: str) -> Any:  # noqa: ANN401 - FastAPI's type of a route
    async def answer() -> Response:
        return Response(content, media_type=media_type)

    return answer


def _swagger(name: str) -> bytes:
    return (files("fastapi_offline") / "static" / name).read_bytes()


def _json(value: object) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
