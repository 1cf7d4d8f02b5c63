"""The page, its files, what it links to, and what it asks for: ``/compare`` and ``/matrix``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import PurePath
from string import Template

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from minilm.model import MiniLM
from minilm.server.names import ModelNames
from minilm.server.notebook import FIGURE, NOTEBOOK, notebook_html
from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.openai import ErrorAnswer
from minilm.server.schemas.page import CompareAnswer, CompareRequest, MatrixAnswer, MatrixRequest
from minilm.server.service import Service

UNEXPLAINED = "the score is not a sum over pairs of tokens: this checkpoint has a Dense module after pooling"

PAGE = files("minilm.server") / "page"
SWAGGER = files("fastapi_offline") / "static"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".py": "text/plain",
    ".svg": "image/svg+xml",
}

# What the pictures and the notebook link to.
CODE = ("activations.py", "encoder.py", "explanation.py", "pooling.py", "similarity.py")
SOURCES = {
    **{name: files("minilm") / name for name in CODE},
    **{file.name: file for file in (FIGURE,) if file.is_file()},
}

# By path: the files of the page, of the documentation, and of the code that the page explains. Every script
# and style in page/ has a path here.
PAGE_FILES = {
    "/": PAGE / "index.html",
    "/docs": PAGE / "docs.html",
    **{f"/page/{file.name}": file for file in PAGE.iterdir() if not file.name.endswith(".html")},
    **{f"/source/{name}": file for name, file in SOURCES.items()},
    **{f"/swagger/{name}": SWAGGER / name for name in ("swagger-ui.css", "swagger-ui-bundle.js")},
}


def page_routes(service: Service, *, has_documents: bool = False) -> APIRouter:
    """Return the routes of the page, which has a tab for a search if there are documents."""
    router = APIRouter(tags=["page"], responses=error_responses(ErrorAnswer))
    for path, file in PAGE_FILES.items():
        content = file.read_bytes()
        if path == "/":
            content = _about(content.decode(), service.model, service.names, has_documents=has_documents)
        # the page is documented beside the requests that are posted to its path
        router.add_api_route(
            path,
            _static(content, MEDIA_TYPES[PurePath(file.name).suffix]),
            include_in_schema=path == "/",
            response_class=HTMLResponse,
            summary="The page",
        )

    router.add_api_route("/notebook", _read_notebook, include_in_schema=False)

    def answer(started: float, rows: list[list[int]], truncated: list[int], **scores: object) -> Response:
        fields = {
            **scores,
            "tokens": [len(row) for row in rows],
            "truncated": truncated,
            "unfamiliar": service.unfamiliar.indices(rows),
            "max_seq_length": service.model.max_seq_length,
            "milliseconds": round(1000 * (time.perf_counter() - started), 2),
        }
        return json_response(fields)

    @router.post("/compare", response_model=CompareAnswer)
    async def compare(request: CompareRequest) -> Response:
        """The score of two texts and, with ``explain``, what each pair of tokens adds to it, or why not."""
        started = time.perf_counter()
        texts, names = [request.text_a, request.text_b], ("text_a", "text_b")
        for name, text in zip(names, texts, strict=True):
            if not text.strip():
                raise RequestError(422, "Please enter text to compare.", param=name, code="blank_text")
        param = "text_a and text_b"
        if request.explain and not service.model.config.dense:
            explanation, rows, truncated = await service.explain(texts, param, names)
            return answer(started, rows, truncated, score=explanation.score, **explanation.as_dict())
        rows, truncated = await service.token_ids(texts, param=param, names=names, truncate=True)
        vectors = (await service.embed(rows)).astype(np.float64)  # (2, E)
        reason = {"unexplained": UNEXPLAINED} if request.explain else {}
        return answer(started, rows, truncated, score=vectors[0] @ vectors[1], **reason)

    @router.post("/matrix", response_model=MatrixAnswer)
    async def matrix(request: MatrixRequest) -> Response:
        """Cosine of each text with each."""
        started = time.perf_counter()
        rows, truncated = await service.token_ids(request.texts, param="texts", truncate=True)
        vectors = (await service.embed(rows)).astype(np.float64)  # (n, E)
        return answer(started, rows, truncated, similarities=vectors @ vectors.T)

    return router


def _about(page: str, model: MiniLM, names: ModelNames, *, has_documents: bool) -> bytes:
    """The page with the model's name, whether its language is known to be English, and what there is."""
    language = "en" if model.checkpoint.is_default else ""
    about = {"model": escape(names.listed[0]), "language": language, "search": "yes" if has_documents else ""}
    return Template(page).substitute(about).encode()


async def _read_notebook() -> Response:
    """The notebook that explains the pictures of the tab Inside."""
    if not NOTEBOOK.is_file():
        raise RequestError(404, "the notebook is not part of this copy of minilm")
    return Response(await asyncio.to_thread(_notebook), media_type="text/html")


@cache
def _notebook() -> bytes:
    template = Template((PAGE / "notebook.html").read_text("utf-8"))
    cells = notebook_html(NOTEBOOK.read_text("utf-8"), SOURCES)
    return template.substitute(cells=cells, file=NOTEBOOK.name).encode()


def _static(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=media_type)

    return answer
