"""minilm/server/responses.py: arrays as JSON, and failures in the form of the protocol that was asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm.server.responses import json_response
from tests.serving import Server, error_message


def test_arrays_become_lists() -> None:
    response = json_response({"rows": [np.array([0.5, 2], np.float32)]})
    assert (bytes(response.body), response.media_type) == (b'{"rows":[[0.5,2.0]]}', "application/json")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", b"{", 400),
        ("/v1/embeddings", b"[]", 400),
        ("/v1/embeddings", b'{"input": NaN}', 400),
        ("/v1/embeddings", b'{"input": "\\ud800"}', 400),
        ("/v1/embeddings", b'{"input": [1e400]}', 400),
        ("/v1/embeddings", {"input": []}, 400),
        ("/v1/embeddings", {"input": [[]]}, 400),
        ("/v1/embeddings", {"input": ["a", 1]}, 400),
        ("/v1/embeddings", {"input": [-1]}, 400),
        ("/v1/embeddings", {"input": [30522]}, 400),
        ("/v1/embeddings", {"input": "a", "dimensions": 385}, 400),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 400),
        ("/v1/embeddings", {"input": ["a"] * 2049}, 400),
        ("/v1/embeddings", {"input": "a" * 2_000_001}, 400),
        ("/v1/embeddings", b" " * (8 * 2**20 + 1), 413),
        ("/v1/models/gpt", None, 404),
        ("/compare", {"text_a": " ", "text_b": "b"}, 422),
        ("/matrix", {"texts": ["one"]}, 422),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 400),
        ("/nowhere", None, 404),
        ("/embed", None, 405),
        ("/embed", {"inputs": []}, 400),
        ("/embed", {"inputs": ["a"] * 2049}, 413),
        ("/embed", b"{", 400),
        ("/rerank", {"query": 1}, 404),
    ],
)
def test_bad_requests_get_the_error_of_the_protocol(
    server: Server, path: str, body: Any, status: int
) -> None:
    answered, content, _ = server.ask(path, body)
    assert answered == status
    assert error_message(path, content)


def test_limits_are_named(server: Server) -> None:
    _, content, _ = server.ask("/v1/embeddings", {"input": ["a"] * 2049})
    assert "limit is 2,048 per request" in content["error"]["message"]
    _, content, _ = server.ask("/v1/embeddings", b" " * (8 * 2**20 + 1))
    assert "limit of 8,388,608 bytes" in content["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        (
            "/embed",
            {"inputs": [101, -2]},
            {},
            422,
            "inputs[1] is -2: it must be a token id (a whole number from 0)",
        ),
        ("/embed", {"inputs": "a"}, {"Content-Type": "text/plain"}, 415, "Content-Type: application/"),
        ("/rerank", {"query": "a", "texts": ["b"]}, {}, 404, "start it with --reranker MODEL"),
    ],
)
def test_refusals_say_what_to_change(
    server: Server, path: str, body: Any, headers: dict[str, str], status: int, message: str
) -> None:
    answered, content, _ = server.ask(path, body, **headers)
    assert answered == status
    assert message in error_message(path, content)
