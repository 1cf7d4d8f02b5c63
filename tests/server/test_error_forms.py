"""minilm/server/error_forms.py: the status and the shape of an error, by the path that was asked."""

from __future__ import annotations

import json

import pytest

from minilm.server.responses import RequestError
from tests.serving import error_message


def object_of(kind: str, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": "m", "type": kind, "param": param, "code": code}}


INVALID, UNAVAILABLE = "invalid_request_error", "service_unavailable_error"


@pytest.mark.parametrize(
    ("path", "status", "code", "expected"),
    [
        ("/v1/embeddings", 422, None, (400, object_of(INVALID, "p"))),
        ("/v1/embeddings", 413, "too_many_texts", (400, object_of(INVALID, "p", "too_many_texts"))),
        ("/v1/embeddings", 413, "body_too_large", (413, object_of(INVALID, "p", "body_too_large"))),
        ("/v1/nothing", 404, None, (404, object_of(INVALID, "p"))),
        ("/v1/embeddings", 401, "invalid_api_key", (401, object_of(INVALID, "p", "invalid_api_key"))),
        ("/v1/embeddings", 500, None, (500, object_of("server_error", "p"))),
        (
            "/v1/embeddings",
            503,
            "queue_full",
            (503, object_of(UNAVAILABLE, "p", "queue_full")),
        ),
        ("/embed", 422, None, (422, {"error": "m", "error_type": "Validation"})),
        ("/embed", 422, "empty_input", (400, {"error": "m", "error_type": "Empty"})),
        ("/similarity", 413, "too_many_texts", (413, {"error": "m", "error_type": "Validation"})),
        ("/rerank", 503, "queue_full", (429, {"error": "m", "error_type": "Overloaded"})),
        ("/embed", 500, None, (424, {"error": "m", "error_type": "Backend"})),
        ("/embed", 401, "invalid_api_key", (401, {"error": "m", "error_type": "Validation"})),
        ("/matrix", 422, None, (422, object_of(INVALID, "p"))),
        ("/nothing", 404, None, (404, object_of(INVALID, "p"))),
        ("", 431, None, (431, object_of(INVALID, "p"))),
    ],
)
def test_an_error_has_the_form_of_the_protocol(
    path: str, status: int, code: str | None, expected: tuple[int, dict[str, object]]
) -> None:
    response = RequestError(status, "m", param="p", code=code).response(path)
    content = json.loads(bytes(response.body))
    assert (response.status_code, content) == expected
    assert error_message(path, content) == "m"
