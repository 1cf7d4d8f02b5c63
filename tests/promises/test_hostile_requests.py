"""Bodies made to break a parser, over a real socket: 4xx with the documented error object, never a 5xx."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM, SparseEncoder
from tests.checkpoints import TINY, MakeCheckpoint, write_checkpoint
from tests.serving import Server, error_message

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

from pydantic import ValidationError

from minilm.server.app import create_app
from minilm.server.batching import Batcher, Items
from minilm.server.inside import LayerOutputs
from minilm.server.schemas.openai import EmbeddingsRequest
from minilm.server.schemas.page import MatrixRequest
from minilm.server.schemas.text_embeddings_inference import EmbedRequest, RerankRequest
from tests.checkpoints import write_cross_encoder, write_sparse_encoder

EMBEDDINGS = "/v1/embeddings"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("served")
    write_checkpoint(directory / "model", TINY)

    def make() -> Any:
        write_checkpoint(directory / "reranker", TINY)
        return directory / "reranker"

    running = Server("--model", str(directory / "model"), "--reranker", str(write_cross_encoder(make)))
    yield running
    assert running.stop() == 0


def refused(server: Server, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    """The status, and OpenAI's error object, or the object of another protocol."""
    status, content, answered = server.ask(path, body, **headers)
    assert error_message(path, content)
    assert "json" in answered["content-type"]
    if isinstance(content["error"], str):
        return status, content
    assert content["error"]["type"] == "invalid_request_error"
    return status, content["error"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"input": ' + b"[" * 100_000, "it is nested too deeply"),
        (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it is nested too deeply"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "it is nested too deeply"),
        (b'{"input": [' + b"1" * 5000 + b"]}", "JSON: a number in it has too many digits"),
        (b'{"input": "\xff"}', "can't decode byte 0xff"),
        (b'{"input": "\xc0\x80"}', "can't decode byte 0xc0"),  # a null byte in two
        (b'{"input": "a\nb"}', "Invalid control character"),
        (b'{"input": "a"', "delimiter"),
        (b'{"input": "a"} {}', "Extra data"),
        (b"\0", "Expecting value"),
        (b"{'input': 'a'}", "property name"),
        (b'{"input": "\\ud8', "escape"),
    ],
)
def test_an_invalid_json_body_is_answered_400_with_the_reason(server: Server, body: bytes, says: str) -> None:
    status, error = refused(server, EMBEDDINGS, body)
    assert (status, error["code"]) == (400, "invalid_json")
    assert error["message"].startswith("the body is not valid JSON: ")
    assert says in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (EMBEDDINGS, b'{"input": ' + b"[" * 900 + b"]" * 900 + b"}"),
        (EMBEDDINGS, b'{"input": [' + b"9" * 4000 + b"]}"),
        (EMBEDDINGS, b'{"input": [-9223372036854775809]}'),
        (EMBEDDINGS, b'{"input": [1e400]}'),
        (EMBEDDINGS, b'{"input": [NaN, Infinity, -Infinity]}'),
        (EMBEDDINGS, b'{"input": [true]}'),
        (EMBEDDINGS, b'{"input": {"0": "a"}}'),
        (EMBEDDINGS, b'{"input": "a", "dimensions": 1e400}'),
        (EMBEDDINGS, b'{"input": "a", "dimensions": NaN}'),
        (EMBEDDINGS, b'{"input": "a", "dimensions": 3.0}'),
        (EMBEDDINGS, b'{"input": "a", "dimensions": ' + b"9" * 4000 + b"}"),
        (EMBEDDINGS, b'{"input": "a", "encoding_format": "\\ud800"}'),
        (EMBEDDINGS, b'{"input": "\xed\xa0\x80"}'),  # a surrogate, as UTF-8 must not write it
        (EMBEDDINGS, b'{"input": "a", "input": null}'),  # of a key that stands twice the last counts
        (EMBEDDINGS, b"NaN"),
        (EMBEDDINGS, b"null"),
        (EMBEDDINGS, b'"a"'),
        (EMBEDDINGS, b""),
        ("/embed", b'{"inputs": "a", "prompt_name": "\\ud800"}'),
        ("/embed", b'{"inputs": ["a", "b\\udfff"]}'),
        ("/similarity", b'{"inputs": {"source_sentence": "\\ud800", "sentences": ["a"]}}'),
        ("/rerank", b'{"query": "a", "texts": ["\\udfff"]}'),
        ("/compare", b'{"text_a": "\\ud800", "text_b": "b", "explain": true}'),
        ("/compare", b'{"text_a": "a", "text_b": "\\udc00\\ud800", "explain": true}'),  # the wrong way round
        ("/matrix", b'{"texts": ["a", "\\ud800"]}'),
    ],
)
def test_json_of_the_wrong_shape_is_refused(server: Server, path: str, body: bytes) -> None:
    status, error = refused(server, path, body)
    assert status == (400 if path == EMBEDDINGS else 422)
    assert error


def test_a_model_name_with_a_lone_surrogate_is_refused(server: Server) -> None:
    # it was answered 500: JSON can write it, UTF-8 cannot
    status, error = refused(server, EMBEDDINGS, b'{"input": "a", "model": "\\ud800"}')
    assert (status, error["param"]) == (400, "model")
    assert "holds a lone surrogate" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"input": null, "input": "a"}',
        b'{"input": "a", "user": "\\ud800", "\\ud800": "\\ud800"}',  # not used, not repeated
        b'{"input": "\\ud83d\\ude00"}',  # a pair is one character
        b'{"input": "\\u0000\\u202e\\u0301"}',
        b'\xef\xbb\xbf{"input": "a"}',  # a byte order mark
        '{"input": "a"}'.encode("utf-16"),
    ],
)
def test_odd_but_valid_bodies_are_answered(server: Server, body: bytes) -> None:
    assert server.ask(EMBEDDINGS, body)[0] == 200


@pytest.mark.parametrize("size", [8 * 2**20 + 1, 10_000_000])
def test_a_body_of_ten_million_bytes_is_refused_by_its_length(server: Server, size: int) -> None:
    for body in (b" " * size, b"[" * size, b'{"input": "' + b"a" * size):
        status, error = refused(server, EMBEDDINGS, body)
        assert (status, error["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "x", "a/b; c=\xff"]
)
def test_a_body_of_another_type_is_refused(server: Server, content_type: str) -> None:
    assert refused(server, "/embed", b'{"inputs": "a"}', Content_Type=content_type)[0] == 415


@pytest.mark.parametrize(
    ("request_type", "body"),
    [
        (EmbeddingsRequest, {"input": [None] * 100_000}),
        (EmbeddingsRequest, {"input": ["a", *[1] * 100_000]}),
        (EmbeddingsRequest, {"input": [-1] * 100_000}),
        (EmbeddingsRequest, {"input": [[-1] * 100_000] * 10}),
        (EmbedRequest, {"inputs": [{}] * 100_000}),
        (RerankRequest, {"query": "a", "texts": [1] * 100_000}),
        (MatrixRequest, {"texts": [1] * 500}),
    ],
)
def test_validation_stops_at_the_first_wrong_element(
    request_type: type[EmbeddingsRequest], body: dict[str, Any]
) -> None:
    """Each wrong element would be an error for each form that the input may have, 1.5 KB of memory each."""
    with pytest.raises(ValidationError) as error:
        request_type.model_validate(body)
    assert error.value.error_count() <= 4


def test_the_place_of_the_first_wrong_element_is_named(server: Server) -> None:
    _, error = refused(server, EMBEDDINGS, {"input": ["a", "b", 3]})
    assert (error["param"], error["message"]) == ("input[2]", "input[2] is 3: it must be a text")
    _, error = refused(server, "/rerank", {"query": "a", "texts": ["b", None]})
    assert error["error"] == "texts[1] is null: it must be a text"


def test_two_long_texts_are_ranked_in_linear_time_and_memory(server: Server) -> None:
    """The library would hold 5 million pieces of 16 tokens for it."""
    body = {"query": "[" * 30_000, "texts": ["." * 30_000], "truncate": True}
    status, answer, _ = server.ask("/rerank", body)
    assert status == 200
    assert 0 <= answer[0]["score"] <= 1


async def status_of(app: Any, path: str, body: bytes) -> int:
    """The answer of an application in this process."""
    pieces = [body[:1000], body[1000:]]
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return status


AT_ONCE = ("/tokenize", "/decode", "/api/show")  # nothing waits for the encoder


def test_unknown_fields_are_released_while_a_request_waits(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of those that waited held up to 400 MiB of it."""
    number = 12_345  # of lists in a list, as there is no other in this process
    kept: list[bool] = []

    async def encode(self: Batcher, items: Items) -> list[Any]:  # noqa: ARG001
        kept.append(any(type(one) is list and len(one) == number for one in gc.get_objects()))
        return [results.get(path, np.ones(16, np.float32))] * len(items)  # mostly vectors

    monkeypatch.setattr(Batcher, "encode", encode)
    reranker = CrossEncoder(write_cross_encoder(lambda: make_checkpoint("reranker")))
    sparse = SparseEncoder(write_sparse_encoder(lambda: make_checkpoint("sparse")))
    app = create_app(MiniLM(make_checkpoint()), reranker=reranker, sparse_encoder=sparse)
    random = np.random.default_rng(0)
    results: dict[str, object] = {
        "/embed_sparse": np.ones((2, 3), np.float32),
        "/predict": np.ones(1, np.float32),
        "/trace": LayerOutputs(random.normal(size=(3, 3, 16)), random.random((2, 2, 3, 3))),
    }
    requests = {
        EMBEDDINGS: b'{"input": "a"',
        "/embed": b'{"inputs": "a"',
        "/similarity": b'{"inputs": {"source_sentence": "a", "sentences": ["b"]}',
        "/rerank": b'{"query": "a", "texts": ["b"]',
        "/embed_all": b'{"inputs": "a"',
        "/embed_sparse": b'{"inputs": "a"',
        "/": b'{"inputs": "a"',
        "/invocations": b'{"inputs": "a"',
        "/tokenize": b'{"inputs": "a"',
        "/decode": b'{"ids": [5]',
        "/predict": b'{"inputs": "a"',
        "/v1/rerank": b'{"query": "a", "documents": ["b"]',
        "/v2/rerank": b'{"query": "a", "documents": ["b"]',
        "/embeddings": b'{"input": "a"',
        "/api/embed": b'{"model": "checkpoint", "input": "a"',
        "/api/embeddings": b'{"model": "checkpoint", "prompt": "a"',
        "/api/show": b'{"model": "checkpoint"',
        "/compare": b'{"text_a": "a", "text_b": "b"',
        "/matrix": b'{"texts": ["a", "b"]',
        "/trace": b'{"text_a": "a"',
    }
    for path, begin in requests.items():
        body = begin + b', "x": [' + b",".join([b"[]"] * number) + b"]}"
        assert asyncio.run(status_of(app, path, body)) == 200
    assert kept == [False] * (len(requests) - len(AT_ONCE))
    paths = app.openapi()["paths"]  # no route with a body is missing here
    assert set(requests) == {path for path, methods in paths.items() if "post" in methods}


def test_the_server_still_answers_after_hostile_requests(server: Server) -> None:
    assert server.ask("/health")[0] == 200
    _, metrics, _ = server.ask("/metrics")
    assert not re.search(rb'status="5', metrics)
    assert json.loads(json.dumps(server.ask(EMBEDDINGS, {"input": "a"})[1]))["object"] == "list"
