"""minilm/server/schemas: what requests are made of, and the OpenAPI document.

schemathesis holds the service to that document: whatever is sent, no answer is a 5xx.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM, SparseEncoder
from minilm.server.app import create_app
from minilm.server.schemas.requests import RequestBody
from tests.checkpoints import MakeCheckpoint, write_cross_encoder, write_sparse_encoder
from tests.serving import Server

# By route: a request, which is answered 200.
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": ["a", "b"]},
    "/embeddings": {"input": ["a", "b"]},
    "/": {"inputs": "a"},
    "/invocations": {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
    "/embed_all": {"inputs": "a"},
    "/embed_sparse": {"inputs": "a"},
    "/tokenize": {"inputs": ["a", "b"]},
    "/decode": {"ids": [[2023]]},
    "/predict": {"inputs": [["a", "b"], ["c"]]},
    "/v1/rerank": {"query": "a", "documents": ["b", {"text": "c"}]},
    "/v2/rerank": {"query": "a", "documents": ["b", {"text": "c"}]},
    "/api/embed": {"model": "all-MiniLM-L6-v2", "input": ["a", "b"]},
    "/api/embeddings": {"model": "all-MiniLM-L6-v2", "prompt": "a"},
    "/api/show": {"model": "all-MiniLM-L6-v2"},
    "/embed": {"inputs": "a", "truncate": True},
    "/similarity": {"inputs": {"source_sentence": "a", "sentences": ["b"]}, "parameters": {"truncate": True}},
    "/rerank": {"query": "a", "texts": ["b", "c"]},
    "/compare": {"text_a": "a", "text_b": "b", "explain": True},
    "/matrix": {"texts": ["a", "b"]},
    "/trace": {"text_a": "a", "text_b": "b"},
}

NEED_ANOTHER_MODEL = {"/rerank", "/v1/rerank", "/v2/rerank", "/predict", "/embed_sparse"}


def post_routes(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """The POST routes, also those of included routers, which newer versions of FastAPI keep as one route."""
    for route in routes:
        if isinstance(route, APIRoute):
            if "POST" in (route.methods or ()):
                yield route
        elif hasattr(route, "original_router"):
            yield from post_routes(route.original_router.routes)


def body_types(annotation: Any) -> list[Any]:
    """The types of a body, of which a route may take one of several."""
    if isinstance(annotation, type):
        return [annotation]
    kinds = [kind for kind in get_args(annotation) if isinstance(kind, type) or get_args(kind)]
    return [kind for part in kinds for kind in body_types(part)]


def test_every_request_releases_the_parsed_json(
    model: MiniLM, make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The framework holds the parsed JSON until the answer is sent, so each schema empties it."""
    app = create_app(
        model,
        reranker=CrossEncoder(write_cross_encoder(make_checkpoint)),
        sparse_encoder=SparseEncoder(write_sparse_encoder(lambda: make_checkpoint("sparse"))),
    )
    routes = list(post_routes(app.routes))
    documented = {path for path, methods in app.openapi()["paths"].items() if "post" in methods}
    assert {route.path for route in routes if route.include_in_schema} == documented == set(REQUESTS)
    for route in filter(lambda route: route.include_in_schema, routes):
        [body] = route.dependant.body_params
        schema: Any = body.field_info.annotation
        for kind in body_types(schema):
            assert issubclass(kind, RequestBody), route.path

    bodies: list[Any] = []
    read_json = Request.json

    async def recorded(request: Request) -> Any:
        bodies.append(await read_json(request))
        return bodies[-1]

    monkeypatch.setattr(Request, "json", recorded)
    with TestClient(app) as client:
        for path, values in REQUESTS.items():
            # an unknown field is parsed as well
            assert client.post(path, json={**values, "unknown": [[]] * 10}).status_code == 200
    assert bodies == [{}] * len(REQUESTS)


@pytest.mark.parametrize("values", [["a"], "a", None, 1])
def test_a_body_that_is_not_an_object_is_refused(model: MiniLM, values: Any) -> None:
    with TestClient(create_app(model)) as client:
        for path in REQUESTS.keys() - NEED_ANOTHER_MODEL:
            is_400 = path.startswith(("/v1/", "/api/")) or path == "/embeddings"
            assert client.post(path, json=values).status_code == (400 if is_400 else 422), path


def test_whatever_is_sent_is_answered_as_documented(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    # schemathesis takes ids from /v1/models, and cannot use those with a slash
    names = ("--served-model-name", "one", "two")
    sparse = str(write_sparse_encoder(lambda: make_checkpoint("sparse")))
    reranker = str(write_cross_encoder(make_checkpoint))
    server = Server("--reranker", reranker, "--sparse-encoder", sparse, *names)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
        *("--checks", "all", "--max-examples", "60", "--workers", "2", "--no-color"),
        # the schema cannot say what only the model knows, such as which ids are in the vocabulary
        *("--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1"),
    ]
    try:
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert int(re.findall(r"([\d,]+) generated", result.stdout)[0].replace(",", "")) > 1000
        assert server.ask("/health")[0] == 200
        _, metrics, _ = server.ask("/metrics")
        assert not re.search(rb'status="(5|424)', metrics)  # 424: text-embeddings-inference's 500
    finally:
        assert server.stop() == 0
