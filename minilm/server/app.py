"""The application: the routes of all protocols behind one gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from minilm import __version__
from minilm.cross_encoder import CrossEncoder
from minilm.documents.documents import Documents
from minilm.model import MiniLM
from minilm.server.access_log import AccessLog
from minilm.server.content_encoding import Compress
from minilm.server.cors import Cors
from minilm.server.cross_encoding import CrossEncoding
from minilm.server.disconnection import WhileConnected
from minilm.server.methods import Methods
from minilm.server.middleware import Gate
from minilm.server.path_prefix import PathPrefix
from minilm.server.responses import invalid_response, refused_response
from minilm.server.routes.classification import classification_routes
from minilm.server.routes.inference_endpoint import inference_endpoint_routes
from minilm.server.routes.information import information_routes
from minilm.server.routes.inside import inside_routes
from minilm.server.routes.ollama import ollama_routes
from minilm.server.routes.openai import openai_routes
from minilm.server.routes.operations import operations_routes
from minilm.server.routes.page import page_routes
from minilm.server.routes.rerank import rerank_routes
from minilm.server.routes.search import search_routes
from minilm.server.routes.sparse import sparse_routes
from minilm.server.routes.text_embeddings_inference import text_embeddings_inference_routes
from minilm.server.routes.tokenization import tokenization_routes
from minilm.server.service import Service
from minilm.server.settings import ServerSettings
from minilm.server.sparse_encoding import SparseEncoding
from minilm.sparse_encoder import SparseEncoder


def create_app(
    model: MiniLM,
    settings: ServerSettings | None = None,
    reranker: CrossEncoder | None = None,
    classifier: CrossEncoder | None = None,
    documents: Documents | None = None,
    sparse_encoder: SparseEncoder | None = None,
) -> FastAPI:
    """The application, for uvicorn or any other ASGI server.

    Parameters
    ----------
    model : MiniLM
    settings : ServerSettings, optional
        Limits and access; the defaults are those of ``minilm serve``.
    reranker : CrossEncoder, optional
        With one, texts can be ranked: ``/rerank``, ``/v1/rerank`` and ``/v2/rerank``.
    classifier : CrossEncoder, optional
        What ``/predict`` asks; by default the reranker.
    documents : Documents, optional
        With them, ``/search`` finds their pieces.
    sparse_encoder : SparseEncoder, optional
        What ``/embed_sparse`` asks.

    Raises
    ------
    ValueError
        If the reranker has more than one label.
    """
    settings = settings or ServerSettings()
    service = Service(model, settings)
    if reranker is not None and reranker.num_labels != 1:
        raise ValueError(f"a reranker has one label; {reranker!r} has {reranker.num_labels}")
    reranking = CrossEncoding(reranker, service) if reranker is not None else None
    classifying = CrossEncoding(classifier, service) if classifier is not None else reranking
    sparse = SparseEncoding(sparse_encoder, service) if sparse_encoder is not None else None

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
        redirect_slashes=False,  # the address that a client knows may be a proxy's
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        # only for /docs, where a key can then be entered: the gate asks for it
        dependencies=[Depends(HTTPBearer(auto_error=False))] if settings.api_keys else None,
    )
    _add_middleware(app, service)
    app.exception_handler(HTTPException)(refused_response)
    app.exception_handler(RequestValidationError)(invalid_response)
    app.include_router(openai_routes(service))
    inference = [
        text_embeddings_inference_routes(service),
        sparse_routes(sparse),
        rerank_routes(service, reranking),
        classification_routes(classifying),
    ]
    for router in (*inference, inference_endpoint_routes(*inference)):
        app.include_router(router)
    if documents is not None:
        app.include_router(search_routes(service, documents))
    app.include_router(page_routes(service, has_documents=documents is not None))
    for routes in (tokenization_routes, information_routes, ollama_routes, inside_routes):
        app.include_router(routes(service))
    app.include_router(operations_routes(service))
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """Put what every request passes around the application, from the inside out."""
    settings = service.settings
    app.add_middleware(WhileConnected)
    app.add_middleware(Methods, routes=app.router.routes)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    app.add_middleware(Compress)
    if settings.cors_origins:  # around the gate: a browser asks for permission without the key
        app.add_middleware(Cors, origins=settings.cors_origins)
    if settings.root_path:
        app.add_middleware(PathPrefix, prefix=settings.root_path)
    app.add_middleware(AccessLog)
