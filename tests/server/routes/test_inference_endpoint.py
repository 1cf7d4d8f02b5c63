"""minilm/server/routes/inference_endpoint.py: one path for every kind of request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

PATHS = ("/", "/invocations")


@pytest.fixture
def client(model: MiniLM, make_checkpoint: MakeCheckpoint) -> Iterator[TestClient]:
    classifier = CrossEncoder(write_cross_encoder(lambda: make_checkpoint("classifier"), labels=3))
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    with TestClient(create_app(model, reranker=reranker, classifier=classifier)) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/embed", {"inputs": "a"}),
        ("/embed", {"inputs": ["a", "b"], "normalize": False, "dimensions": 3}),
        ("/embed", {"inputs": [[2023], [2003]]}),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}}),
        ("/rerank", {"query": "a", "texts": ["b", "c"], "return_text": True}),
        ("/predict", {"inputs": [["a", "b"], ["c"]]}),
        ("/predict", {"inputs": "a", "raw_scores": True}),
        ("/embed", {"inputs": []}),
        ("/embed", {"inputs": 5}),
        ("/embed", {}),
        ("/similarity", {"inputs": {}}),
        ("/rerank", {"query": "a", "texts": [5]}),
        ("/predict", {"inputs": [["a", "b", "c"]]}),
    ],
)
def test_the_answer_is_that_of_the_route_which_the_form_names(
    client: TestClient, path: str, route: str, body: dict[str, Any]
) -> None:
    answer, expected = client.post(path, json=body), client.post(route, json=body)
    assert (answer.status_code, answer.json()) == (expected.status_code, expected.json())


def test_other_methods_are_told_both_methods(client: TestClient) -> None:
    refused = client.put("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert client.get("/invocations").headers["allow"] == "POST, OPTIONS"


def test_the_page_needs_no_key_but_a_request_does(model: MiniLM) -> None:
    with TestClient(create_app(model, ServerSettings(api_keys=("secret",)))) as client:
        assert client.get("/").status_code == 200
        for path in PATHS:
            refused = client.post(path, json={"inputs": "a"})
            assert (refused.status_code, [*refused.json()]) == (401, ["error", "error_type"])
            key = {"Authorization": "Bearer secret"}
            assert client.post(path, json={"inputs": "a"}, headers=key).status_code == 200
