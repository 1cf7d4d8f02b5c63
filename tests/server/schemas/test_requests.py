"""minilm/server/schemas/requests.py: null, and fields that a request does not have."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM, SparseEncoder
from minilm.server.app import create_app
from minilm.server.schemas.requests import FOREIGN_FIELDS
from tests.checkpoints import MakeCheckpoint, write_cross_encoder, write_sparse_encoder
from tests.serving import error_message

# By route: a request with its required fields only.
REQUIRED: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": "a"},
    "/embed": {"inputs": "a"},
    "/similarity": {"inputs": {"source_sentence": "a", "sentences": ["b"]}},
    "/rerank": {"query": "a", "texts": ["b", "c"]},
    "/v1/rerank": {"query": "a", "documents": ["b", "c"]},
    "/predict": {"inputs": ["a", "b"]},
    "/embed_all": {"inputs": "a"},
    "/embed_sparse": {"inputs": "a"},
    "/tokenize": {"inputs": "a"},
    "/decode": {"ids": [2023]},
    "/api/embed": {"model": "all-MiniLM-L6-v2"},
    "/api/embeddings": {"model": "all-MiniLM-L6-v2"},
    "/compare": {"text_a": "a", "text_b": "b"},
    "/matrix": {"texts": ["a", "b"]},
    "/trace": {"text_a": "a"},
}


@pytest.fixture
def client(model: MiniLM, make_checkpoint: MakeCheckpoint) -> TestClient:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    sparse = SparseEncoder(write_sparse_encoder(lambda: make_checkpoint("sparse")))
    return TestClient(create_app(model, reranker=reranker, sparse_encoder=sparse))


def result(answer: Any) -> Any:
    content = answer.json()
    if isinstance(content, dict):
        for name in ("milliseconds", "total_duration", "id"):
            content.pop(name, None)
    return answer.status_code, content


@pytest.mark.parametrize("path", REQUIRED)
def test_null_means_that_a_field_is_left_out(client: TestClient, path: str) -> None:
    schemas = client.get("/openapi.json").json()
    body = schemas["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    reference = body.get("anyOf", [body])[0]["$ref"]  # a path may take one of several forms
    schema = schemas["components"]["schemas"][reference.rpartition("/")[2]]
    optional = schema["properties"].keys() - set(schema["required"])
    assert set(schema["required"]) == REQUIRED[path].keys()
    for name in optional:
        assert {"type": "null"} in schema["properties"][name]["anyOf"], name
    nulls = dict.fromkeys(optional)
    plain = client.post(path, json=REQUIRED[path])
    assert plain.status_code == 200
    assert result(client.post(path, json={**REQUIRED[path], **nulls})) == result(plain)
    assert result(client.post(path, json={**nulls, **REQUIRED[path], "unknown": None})) == result(plain)


def test_null_in_an_object_inside_a_request_means_that_a_field_is_left_out(client: TestClient) -> None:
    nulls = {"truncate": None, "truncation_direction": None, "prompt_name": None}
    plain = client.post("/similarity", json=REQUIRED["/similarity"])
    for parameters in (nulls, {}, None):
        answer = client.post("/similarity", json={**REQUIRED["/similarity"], "parameters": parameters})
        assert result(answer) == result(plain)


@pytest.mark.parametrize(
    ("path", "fields", "remedy"),
    [
        ("/v1/embeddings", {"input_type": "query"}, "a prompt"),
        ("/v1/embeddings", {"task": "retrieval.query"}, "a prompt"),
        ("/v1/embeddings", {"prompt_name": "query"}, "a prompt"),
        (
            "/v1/embeddings",
            {"late_chunking": True},
            "each text",
        ),
        (
            "/v1/embeddings",
            {"embedding_type": "ubinary"},
            "ve",
        ),
        (
            "/v1/embeddings",
            {"normalize": False},
            "vectors have len",
        ),
        ("/v1/embeddings", {"normalize": 1}, "vectors have len"),
        ("/v1/embeddings", {"priority": 5}, "all requests"),
        (
            "/v1/embeddings",
            {"truncate": "START"},
            "the option --auto",
        ),
        (
            "/v1/embeddings",
            {"dimension": 3},
            "did you mean dimensions?",
        ),
        ("/embed", {"normalise": False}, "did you mean normalize?"),
        (
            "/embed",
            {"parameters": {"truncate": False}},
            "send its",
        ),
        ("/rerank", {"prompt_name": "query"}, "a prompt"),
        ("/rerank", {"top_n": 1}, "all texts"),
    ],
)
def test_a_field_of_another_service_that_would_change_the_answer_is_refused(
    client: TestClient, path: str, fields: dict[str, Any], remedy: str
) -> None:
    answer = client.post(path, json={**REQUIRED[path], **fields})
    assert answer.status_code == (400 if path.startswith("/v1/") else 422)
    [name] = fields
    message = error_message(path, answer.json())
    assert message.startswith(f"{name} is not a field of this request: {remedy}")
    if path.startswith("/v1/"):
        assert answer.json()["error"]["param"] == name


def test_the_name_of_a_required_field_of_another_service_is_explained(client: TestClient) -> None:
    answer = client.post("/v1/embeddings", json={"inputs": "a"})
    assert answer.json()["error"]["message"] == "inputs is not a field of this request: did you mean input?"


def test_a_refused_field_of_an_object_is_named_with_its_place(client: TestClient) -> None:
    answer = client.post("/similarity", json={**REQUIRED["/similarity"], "parameters": {"task": "x"}})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("parameters.task is not a field of this request: ")


def test_a_field_that_asks_for_what_is_done_anyway_is_accepted(client: TestClient) -> None:
    plain = client.post("/v1/embeddings", json={"input": "a"})
    for name, (accepted, _) in FOREIGN_FIELDS.items():
        for value in accepted:
            assert result(client.post("/v1/embeddings", json={"input": "a", name: value})) == result(plain)


def test_other_unknown_fields_have_no_effect(client: TestClient) -> None:
    many = {f"field {index}": index for index in range(50_000)}
    for path, body in REQUIRED.items():
        plain = result(client.post(path, json=body))
        # Ollama's requests have options
        options = {} if path.startswith("/api/") else {"options": {"wait_for_model": True}}
        unknown = {**options, "timeout": 5}
        assert result(client.post(path, json={**body, **unknown})) == plain
        assert result(client.post(path, json={**many, **body})) == plain
