"""minilm/server/responses.py: arrays as JSON, and failures as OpenAI's error object."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm.server.responses import json_response
from tests.serving import Server


def test_arrays_become_lists() -> None:
    response = json_response({"rows": [np.array([0.5, 2], np.float32)]})
    assert (bytes(response.body), response.media_type) == (b'{"rows":[[0.5,2.0]]}', "application/json")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", b"{", 400),
        ("/v1/embeddings", b"[]", 422),
        ("/v1/embeddings", b'{"input": NaN}', 422),
        ("/v1/embeddings", b'{"input": "\\ud800"}', 422),
        ("/v1/embeddings", b'{"input": [1e400]}', 422),
        ("/v1/embeddings", {"input": []}, 422),
        ("/v1/embeddings", {"input": [[]]}, 422),
        ("/v1/embeddings", {"input": ["a", 1]}, 422),
        ("/v1/embeddings", {"input": [-1]}, 422),
        ("/v1/embeddings", {"input": [30522]}, 422),
        ("/v1/embeddings", {"input": "a", "dimensions": 385}, 422),
        ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, 422),
        ("/v1/embeddings", {"input": ["a"] * 2049}, 422),
        ("/v1/embeddings", {"input": "a" * 2_000_001}, 422),
        ("/v1/embeddings", b" " * (8 * 2**20 + 1), 413),
        ("/v1/models/gpt", None, 404),
        ("/compare", {"text_a": " ", "text_b": "b"}, 422),
        ("/matrix", {"texts": ["one"]}, 422),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 422),
        ("/nowhere", None, 404),
        ("/embed", None, 405),
    ],
)
def test_bad_requests_get_openais_error_object(server: Server, path: str, body: Any, status: int) -> None:
    answered, content, _ = server.ask(path, body)
    assert answered == status
    assert set(content["error"]) == {"message", "type", "param", "code"}
    assert content["error"]["message"]


def test_limits_are_named(server: Server) -> None:
    _, content, _ = server.ask("/v1/embeddings", {"input": ["a"] * 2049})
    assert "limit is 2,048 per request" in content["error"]["message"]
    _, content, _ = server.ask("/v1/embeddings", b" " * (8 * 2**20 + 1))
    assert "limit of 8,388,608 bytes" in content["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "param", "message"),
    [
        ("/embed", {"inputs": [101, -2]}, {}, 422, "inputs.1", "greater than or equal to 0"),
        ("/embed", {"inputs": ["a", 5]}, {}, 422, "inputs.1", "a valid string"),
        ("/embed", {"inputs": [[5], ["a"]]}, {}, 422, "inputs.1.0", "a valid integer"),
        ("/embed", {"inputs": "a"}, {"Content-Type": "text/plain"}, 422, None, "Content-Type: application/"),
        ("/rerank", {"query": "a", "texts": ["b"]}, {}, 404, None, "start it with --reranker MODEL"),
    ],
)
def test_refusals_say_what_to_change(
    server: Server, path: str, body: Any, headers: dict[str, str], status: int, param: str, message: str
) -> None:
    answered, content, _ = server.ask(path, body, **headers)
    assert (answered, content["error"]["param"]) == (status, param)
    assert message in content["error"]["message"]
