"""minilm/server/schemas/requests.py: null, and fields that a request does not have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM, SparseEncoder
from minilm.server.app import create_app
from minilm.server.schemas.requests import FOREIGN_FIELDS, RequestBody
from minilm.server.schemas.search import SearchRequest
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

SCHEMAS = {
    "/v1/embeddings": "EmbeddingsRequest",
    "/embed": "EmbedRequest",
    "/similarity": "SimilarityRequest",
    "/rerank": "RerankRequest",
    "/v1/rerank": "DocumentsRequest",
    "/predict": "PredictRequest",
    "/embed_all": "EmbedAllRequest",
    "/embed_sparse": "EmbedSparseRequest",
    "/tokenize": "TokenizeRequest",
    "/decode": "DecodeRequest",
    "/api/embed": "OllamaEmbedRequest",
    "/api/embeddings": "OllamaEmbeddingsRequest",
    "/compare": "CompareRequest",
    "/matrix": "MatrixRequest",
    "/trace": "TraceRequest",
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
        ("/rerank", {"top_n": 1}, "all texts are ranked; a request with documents has top_n"),
        ("/v1/rerank", {"top_k": 1}, "did you mean top_n?"),
        ("/search", {"top_k": 1}, "did you mean k?"),
        ("/search", {"return_text": False}, "each piece has its text"),
        ("/predict", {"top_k": 1}, "send it in parameters"),
        ("/embed", {"normalized": True}, "did you mean normalize?"),
        ("/embed", {"embd_normalize": 2}, "the field is called normalize"),
        ("/v1/embeddings", {"endianness": "big"}, "the bytes of encoding_format base64 are little-endian"),
        ("/v1/embeddings", {"embd_normalize": -1}, "vectors have length 1"),
        ("/v1/embeddings", {"use_activation": False}, "/embed takes normalize: false"),
        ("/v1/embeddings", {"return_multivector": True}, "/embed_all answers the vectors of tokens"),
        ("/v1/embeddings", {"max_length": 3}, "the option --max-seq-length"),
        ("/v1/embeddings", {"auto_truncate": False}, "the option --auto-truncate"),
        ("/v1/embeddings", {"truncation_direction": "Right"}, "/embed can cut texts on the left"),
        ("/v1/embeddings", {"dim": 3}, "/v1/embeddings, /embed and /api/embed make vectors shorter"),
        ("/v1/embeddings", {"truncate_dim": 3}, "/v1/embeddings, /embed and /api/embed make vectors shorter"),
        ("/v1/embeddings", {"output_dimensionality": 3}, "/v1/embeddings, /embed and /api/embed make"),
        ("/v1/embeddings", {"inputs": "b"}, "its texts have another field, which /docs shows"),
        ("/embed_all", {"normalize": True}, "these vectors are not scaled to length 1"),
        ("/embed_all", {"dimensions": 3}, "/v1/embeddings, /embed and /api/embed make vectors shorter"),
        ("/embed_all", {"dimension": 3}, "/v1/embeddings, /embed and /api/embed make vectors shorter"),
        ("/embed", {"encoding_format": "base64"}, "numbers are written as decimals; /v1/embeddings can"),
        ("/api/embed", {"encoding_format": "base64"}, "numbers are written as decimals; /v1/embeddings can"),
        ("/api/embed", {"prompt": "a"}, "did you mean input?"),
        ("/api/embeddings", {"input": "a"}, "did you mean prompt?"),
        ("/tokenize", {"truncate": True}, "nothing is cut"),
        ("/tokenize", {"skip_special_tokens": False}, "the field is called add_special_tokens"),
        ("/rerank", {"use_activation": False}, "raw_scores: true answers logits"),
        ("/rerank", {"use_activation": True, "raw_scores": True}, "raw_scores: true answers logits"),
        ("/rerank", {"max_tokens_per_doc": 1}, "a request with documents takes it"),
        ("/rerank", {"return_documents": True}, "a request with documents takes it"),
        ("/v1/rerank", {"return_text": True}, "did you mean return_documents?"),
        ("/v1/rerank", {"texts": ["b"]}, "its texts have another field, which /docs shows"),
        ("/v1/rerank", {"max_tokens_per_query": 1}, "a query is read whole"),
        ("/predict", {"function_to_apply": "none"}, "send it in parameters"),
    ],
)
def test_a_field_of_another_service_that_would_change_the_answer_is_refused(
    client: TestClient, path: str, fields: dict[str, Any], remedy: str
) -> None:
    if path == "/search":  # it needs documents
        with pytest.raises(ValidationError, match=remedy):
            SearchRequest.model_validate({"query": "a", **fields})
        return
    answer = client.post(path, json={**REQUIRED[path], **fields})
    assert answer.status_code == (400 if path.startswith(("/v1/", "/api/")) else 422)
    name = next(iter(fields))
    message = error_message(path, answer.json())
    assert message.startswith(f"{name} is not a field of this request: {remedy}")
    if path == "/v1/embeddings":
        assert answer.json()["error"]["param"] == name


# Fields of this server that change no answer, on whatever route.
WITHOUT_EFFECT = {"user", "model", "name", "verbose", "keep_alive", "options", "max_chunks_per_doc"}


def schemas(kind: type[RequestBody] = RequestBody) -> list[type[RequestBody]]:
    """All schemas of requests, and of the objects inside them."""
    return [schema for other in kind.__subclasses__() for schema in (other, *schemas(other))]


def test_every_field_of_a_route_is_refused_on_all_others_that_do_not_have_it(client: TestClient) -> None:
    assert client.get("/openapi.json").status_code == 200  # the schemas of all routes are imported
    fields = {name for schema in schemas() for name in schema.model_fields} - WITHOUT_EFFECT
    assert {"dimensions", "encoding_format", "texts", "function_to_apply", "hybrid"} <= fields
    for schema in schemas():
        for name in fields - schema.model_fields.keys():
            with pytest.raises(ValidationError) as error:
                schema.model_validate({name: "no value that is accepted"})
            [refusal] = error.value.errors()
            assert (refusal["type"], refusal["ctx"]["field"]) == ("refused_field", name), schema.__name__


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        (
            "/v1/rerank",
            {"raw_scores": True, "use_activation": True},
            "raw_scores contradicts use_activation: send one of them",
        ),
        (
            "/v1/rerank",
            {"raw_scores": False, "use_activation": False},
            "raw_scores contradicts use_activation: send one of them",
        ),
        (
            "/predict",
            {"raw_scores": True, "parameters": {"function_to_apply": "softmax"}},
            "raw_scores contradicts parameters.function_to_apply: send one of them",
        ),
        (
            "/predict",
            {"raw_scores": False, "parameters": {"function_to_apply": "none"}},
            "raw_scores contradicts parameters.function_to_apply: send one of them",
        ),
        ("/api/show", {"model": "a", "name": "b"}, "name contradicts model: send one of them"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    client: TestClient, path: str, fields: dict[str, Any], message: str
) -> None:
    answer = client.post(path, json={**REQUIRED.get(path, {}), **fields})
    assert answer.status_code == (422 if path == "/predict" else 400)
    assert error_message(path, answer.json()) == message


def test_fields_that_ask_for_the_same_are_accepted(client: TestClient) -> None:
    for fields in (
        {"raw_scores": True, "use_activation": False},
        {"raw_scores": False, "use_activation": True},
    ):
        assert client.post("/v1/rerank", json={**REQUIRED["/v1/rerank"], **fields}).status_code == 200
    for is_raw, name in ((True, "none"), (False, "softmax"), (False, None)):
        body = {**REQUIRED["/predict"], "raw_scores": is_raw, "parameters": {"function_to_apply": name}}
        assert client.post("/predict", json=body).status_code == 200
    name = "sentence-transformers/all-MiniLM-L6-v2"
    assert client.post("/api/show", json={"model": name, "name": name}).status_code == 200


def test_the_name_of_a_required_field_of_another_service_is_explained(client: TestClient) -> None:
    answer = client.post("/v1/embeddings", json={"inputs": "a"})
    assert answer.json()["error"]["message"] == "inputs is not a field of this request: did you mean input?"


def test_a_refused_field_of_an_object_is_named_with_its_place(client: TestClient) -> None:
    answer = client.post("/similarity", json={**REQUIRED["/similarity"], "parameters": {"task": "x"}})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("parameters.task is not a field of this request: ")


@pytest.mark.parametrize("path", REQUIRED)
def test_a_field_that_asks_for_what_is_done_anyway_is_accepted(client: TestClient, path: str) -> None:
    [schema] = [schema for schema in schemas() if schema.__name__ == SCHEMAS[path]]
    plain = result(client.post(path, json=REQUIRED[path]))
    for name, (accepted, _) in (FOREIGN_FIELDS | schema.foreign_fields).items():
        for value in accepted if name not in schema.model_fields else ():
            assert result(client.post(path, json={**REQUIRED[path], name: value})) == plain, name


def test_the_vectors_of_tokens_are_not_scaled_and_a_request_may_say_so(client: TestClient) -> None:
    for name, value in (("normalize", False), ("use_activation", False), ("embd_normalize", -1)):
        [vectors] = client.post("/embed_all", json={"inputs": "a", name: value}).json()
        assert min(sum(x * x for x in vector) for vector in vectors) > 2


def test_other_unknown_fields_have_no_effect(client: TestClient) -> None:
    many = {f"field {index}": index for index in range(50_000)}
    for path, body in REQUIRED.items():
        plain = result(client.post(path, json=body))
        # Ollama's requests have options
        options = {} if path.startswith("/api/") else {"options": {"wait_for_model": True}}
        unknown = {**options, "timeout": 5}
        assert result(client.post(path, json={**body, **unknown})) == plain
        assert result(client.post(path, json={**many, **body})) == plain
