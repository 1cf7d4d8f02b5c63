"""minilm/server/validation.py: each message has the field, the value, and what is right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from minilm import MiniLM
from minilm.server.app import create_app
from minilm.server.validation import shown
from tests.serving import error_message

JSON = {"Content-Type": "application/json"}
ELEMENT = "it must be a text, a token id (a whole number from 0) or a list of token ids"
TEXTS = "it must be a text or a list of texts"


@pytest.fixture(scope="module")
def client(model: MiniLM) -> TestClient:
    return TestClient(create_app(model))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, f" is -1: {TEXTS}"),
        (1.0, f" is 1.0: {TEXTS}"),
        (True, f" is true: {TEXTS}"),
        (None, f" is null: {TEXTS}"),
        ({}, f" is an empty object: {TEXTS}"),
        ({"text": "a"}, f" is an object: {TEXTS}"),
        ([-1], f"[0] is -1: {ELEMENT}"),
        ([1.0], f"[0] is 1.0: {ELEMENT}"),
        ([False], f"[0] is false: {ELEMENT}"),
        ([None], f"[0] is null: {ELEMENT}"),
        ([{"text": "a"}], f"[0] is an object: {ELEMENT}"),
        (["a", "b", 5], "[2] is 5: it must be a text"),
        ([5, "a"], '[1] is "a": it must be a token id (a whole number from 0)'),
        ([[5], [6, 7.5]], "[1][1] is 7.5: it must be a token id (a whole number from 0)"),
        ([[5], 6], "[1] is 6: it must be a list of token ids"),
        ("\ud800", " holds a lone surrogate, which is not a character"),
        (["a", "\ud800"], "[1] holds a lone surrogate, which is not a character"),
    ],
)
def test_a_wrong_input_is_named_with_its_value(client: TestClient, value: Any, message: str) -> None:
    for path, field, status in (("/v1/embeddings", "input", 400), ("/embed", "inputs", 422)):
        # "\ud800" has no UTF-8 form, and so JSON must write it in ASCII
        answer = client.post(path, content=json.dumps({field: value}), headers=JSON)
        assert (answer.status_code, error_message(path, answer.json())) == (status, field + message)


@pytest.mark.parametrize(
    ("path", "body", "param", "message"),
    [
        ("/v1/embeddings", {}, "input", "input is missing"),
        ("/v1/embeddings", [], None, "the body is an empty list: it must be an object"),
        ("/v1/embeddings", "text", None, 'the body is "text": it must be an object'),
        (
            "/v1/embeddings",
            {"input": "a", "dimensions": 0},
            "dimensions",
            "dimensions is 0: it must be a whole number of 1 or more",
        ),
        (
            "/v1/embeddings",
            {"input": "a", "dimensions": "3"},
            "dimensions",
            'dimensions is "3": it must be a whole number of 1 or more',
        ),
        (
            "/v1/embeddings",
            {"input": "a", "dimensions": 385},
            "dimensions",
            "dimensions must lie in 1 to 384, not 385",
        ),
        (
            "/v1/embeddings",
            {"input": "a", "encoding_format": "ubinary"},
            "encoding_format",
            'encoding_format is "ubinary": it must be "float" or "base64"',
        ),
        ("/v1/embeddings", {"input": "a", "user": 5}, "user", "user is 5: it must be a text"),
        (
            "/embed",
            {"inputs": "a", "truncate": "yes"},
            None,
            'truncate is "yes": it must be true or false',
        ),
        (
            "/embed",
            {"inputs": "a", "truncation_direction": "up"},
            None,
            'truncation_direction is "up": it must be "Right", "right", "Left" or "left"',
        ),
        (
            "/embed",
            {"inputs": "a", "prompt_name": "passage"},
            None,
            "prompt_name must be one of query, document, not 'passage'",
        ),
        (
            "/similarity",
            {"inputs": {"source_sentence": "a", "sentences": ["b", 3]}},
            None,
            "inputs.sentences[1] is 3: it must be a text",
        ),
        ("/similarity", {"inputs": "a"}, None, 'inputs is "a": it must be an object'),
        ("/similarity", {"inputs": {"sentences": ["a"]}}, None, "inputs.source_sentence is missing"),
        ("/matrix", {"texts": ["a"]}, "texts", "texts has 1 elements: it must have at least 2"),
        ("/matrix", {"texts": ["a"] * 513}, "texts", "texts has 513 elements: it must have at most 512"),
        ("/compare", {"text_a": "a", "text_b": "\ud800"}, "text_a and text_b", None),
    ],
)
def test_a_wrong_field_is_named_with_its_value(
    client: TestClient, path: str, body: Any, param: str | None, message: str | None
) -> None:
    answer = client.post(path, content=json.dumps(body), headers=JSON)
    assert answer.status_code == (400 if path == "/v1/embeddings" else 422)
    expected = message or "text_b holds a lone surrogate, which is not a character"
    assert error_message(path, answer.json()) == expected
    if path not in ("/embed", "/similarity"):
        assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 60, '"' + "a" * 60 + '"'),
        ("a" * 61, '"' + "a" * 60 + '..."'),
        ('"', '"\\""'),
        (10**59, "1" + "0" * 59),
        (10**4000, "1" + "0" * 59 + "..."),
        ([1], "a list"),
        ([], "an empty list"),
    ],
)
def test_a_value_is_shown_short(value: object, text: str) -> None:
    assert shown(value) == text
