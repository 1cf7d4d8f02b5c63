"""The application: the routes of all protocols behind one gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from minilm import __version__
from minilm.cross_encoder import CrossEncoder
from minilm.model import MiniLM
from minilm.server.middleware import Gate
from minilm.server.responses import failed_response, invalid_response, refused_response
from minilm.server.routes.openai import openai_routes
from minilm.server.routes.operations import operations_routes
from minilm.server.routes.page import page_routes
from minilm.server.routes.text_embeddings_inference import text_embeddings_inference_routes
from minilm.server.service import Reranking, Service
from minilm.server.settings import ServerSettings


def create_app(
    model: MiniLM, settings: ServerSettings | None = None, reranker: CrossEncoder | None = None
) -> FastAPI:
    """The application, for uvicorn or any other ASGI server.

    Parameters
    ----------
    model : MiniLM
    settings : ServerSettings, optional
        Limits and access; the defaults are those of ``minilm serve``.
    reranker : CrossEncoder, optional
        With one, there is also ``/rerank``.

    Raises
    ------
    ValueError
        If the reranker has more than one label.
    """
    settings = settings or ServerSettings()
    service = Service(model, settings)
    reranking = Reranking(reranker, service) if reranker is not None else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001 - the protocol's argument
        yield
        for batcher in service.batchers:
            await asyncio.to_thread(batcher.stop)

    app = FastAPI(
        title="minilm",
        version=__version__,
        summary="Sentence embeddings by all-MiniLM-L6-v2, in numpy",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # only for /docs, where a key can then be entered: the gate asks for it
        dependencies=[Depends(HTTPBearer(auto_error=False))] if settings.api_key else None,
    )
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    if settings.cors_origins:  # around the gate: a browser asks for permission without the key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.exception_handler(HTTPException)(refused_response)
    app.exception_handler(RequestValidationError)(invalid_response)
    app.exception_handler(Exception)(failed_response)
    app.include_router(openai_routes(service))
    app.include_router(text_embeddings_inference_routes(service, reranking))
    app.include_router(page_routes(service))
    app.include_router(operations_routes(service))
    return app
