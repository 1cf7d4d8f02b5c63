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
from minilm.cross_encoder import CrossEncoder
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
    RankItem,
)
from minilm.server.errors import RequestError, error_body, error_response, invalid, refusal
from minilm.server.limits import Settings
from minilm.server.middleware import Gate
from minilm.server.reranking import Reranking
from minilm.server.schemas import (
    CompareRequest,
    EmbeddingsRequest,
    EmbedRequest,
    MatrixRequest,
    RerankRequest,
    SimilarityRequest,
)
from minilm.server.service import Service

Array = npt.NDArray[np.float32]

UNEXPLAINED = "the score is no sum over pairs of tokens: this checkpoint has a Dense module after pooling"

logger = logging.getLogger(__name__)


def create_app(
    model: MiniLM, settings: Settings | None = None, reranker: CrossEncoder | None = None
) -> FastAPI:
    """The application, for uvicorn or any other ASGI server.

    Parameters
    ----------
    model : MiniLM
    settings : Settings, optional
        Limits and access; the defaults are those of ``minilm serve``.
    reranker : CrossEncoder, optional
        With one, there is also ``/rerank``.

    Raises
    ------
    ValueError
        If the reranker has more than one label.
    """
    settings = settings or Settings()
    service = Service(model, settings)
    reranking = Reranking(reranker, service) if reranker is not None else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - the protocol's argument
        yield
        await asyncio.to_thread(service.gatherer.stop)
        if reranking:
            await asyncio.to_thread(reranking.gatherer.stop)

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
    if reranking:
        _add_rerank(app, reranking)
    else:
        _add_no_rerank(app)
    _add_page(app, service)
    return app


def _add_openai(app: FastAPI, service: Service) -> None:
    @app.post("/v1/embeddings", tags=["OpenAI"], responses=_answers(EmbeddingsAnswer))
    async def embeddings(request: EmbeddingsRequest, http: Request) -> Response:
        """Embeddings, as OpenAI defines them. ``truncated`` lists the inputs that were cut, if any were."""
        await _forget_json(http)
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
    async def embed(request: EmbedRequest, http: Request) -> Response:
        """Embeddings, as text-embeddings-inference defines them: a list of vectors."""
        await _forget_json(http)
        _refuse_left(request.truncation_direction)
        width = _dimensions(request.dimensions, service.model)
        rows, _ = await service.token_ids(
            request.inputs, param="inputs", truncate=request.truncate, prompt_name=request.prompt_name
        )
        return _json(list(_finish(await service.embed(rows), width, is_normalized=request.normalize)))

    @app.post("/similarity", tags=["text-embeddings-inference"], responses=_answers(list[float]))
    async def similarity(request: SimilarityRequest, http: Request) -> Response:
        """Cosine of one sentence with each of the others, in their order."""
        await _forget_json(http)
        options = request.parameters
        if options:
            _refuse_left(options.truncation_direction)
        if not request.inputs.sentences:
            raise RequestError(422, "inputs.sentences is empty", param="inputs.sentences")
        texts = [request.inputs.source_sentence, *request.inputs.sentences]
        rows, _ = await service.token_ids(
            texts,
            param="inputs",
            truncate=bool(options and options.truncate),
            prompt_name=options.prompt_name if options else None,
        )
        vectors = normalize(await service.embed(rows)).astype(np.float64)  # (1 + n, E)
        return _json((vectors[1:] @ vectors[0]).tolist())


def _add_rerank(app: FastAPI, reranking: Reranking) -> None:
    @app.post("/rerank", tags=["text-embeddings-inference"], responses=_answers(list[RankItem]))
    async def rerank(request: RerankRequest, http: Request) -> Response:
        """Texts by how well they fit a query, the best first, as text-embeddings-inference defines it."""
        await _forget_json(http)
        _refuse_left(request.truncation_direction)
        scores = await reranking.scores(
            request.query, request.texts, truncate=request.truncate, is_raw=request.raw_scores
        )
        ranking = [
            {"index": int(index), "score": float(scores[index])}
            | ({"text": request.texts[index]} if request.return_text else {})
            for index in np.argsort(-scores, kind="stable")
        ]
        return _json(ranking)


def _add_no_rerank(app: FastAPI) -> None:
    @app.post("/rerank", include_in_schema=False)
    async def no_reranker() -> Response:
        raise RequestError(404, "this server has no reranker: start it with --reranker MODEL")


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
    async def compare(request: CompareRequest, http: Request) -> Response:
        """The score of two texts and, if asked for, what each pair of their tokens adds to it, or why not."""
        await _forget_json(http)
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
        if request.explain and service.model.config.dense:
            answer["unexplained"] = UNEXPLAINED
        elif request.explain:
            answer |= (await service.explain(texts, sum(answer["tokens"]))).as_dict()
        answer["max_seq_length"] = service.model.max_seq_length
        answer["milliseconds"] = round(1000 * (time.perf_counter() - begun), 2)
        return _json(answer)

    @app.post("/matrix", tags=["page"], responses=_answers(MatrixAnswer))
    async def matrix(request: MatrixRequest, http: Request) -> Response:
        """Cosine of each text with each."""
        await _forget_json(http)
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


async def _forget_json(request: Request) -> None:
    """Let go of what was parsed, now that the request is made of it, and not only when it is answered.

    Fields that no request has are parsed as well, and can take 50 times their bytes.
    """
    parsed = await request.json()  # what FastAPI holds too
    parsed.clear()


def _answers(model: object) -> dict[int | str, dict[str, Any]]:
    """The type of an answer for the OpenAPI document; answers are not made of it, for speed."""
    return {200: {"model": model}}


def _dimensions(asked: int | None, model: MiniLM) -> int:
    width = model.embedding_dimension
    if asked is not None and asked > width:
        raise RequestError(422, f"dimensions must lie in 1 to {width}, not {asked}", param="dimensions")
    return asked or width


def _finish(vectors: Array, width: int, *, is_normalized: bool) -> Array:
    kept = vectors[:, :width]
    return np.ascontiguousarray(normalize(kept) if is_normalized else kept, dtype=np.float32)


def _refuse_left(direction: str) -> None:
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
