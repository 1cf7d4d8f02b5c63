"""Send request bodies to the application, as an ASGI server does.

The first byte selects the route and the content type; the rest is the body.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fuzz.checkpoints import cross_encoder, sentence_encoder
from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings

ROUTES = ("/v1/embeddings", "/embed", "/similarity", "/rerank", "/compare", "/matrix", "/trace")
CONTENT_TYPES = (b"application/json", b"application/json; charset=utf-16", b"text/plain", b"")
REFUSALS = {400, 413, 415, 422}
SETTINGS = ServerSettings(max_body_bytes=100_000, max_characters=20_000, max_texts=200)

_BODIES: tuple[tuple[str, object], ...] = (
    ("/v1/embeddings", {"input": "a b", "model": "m", "encoding_format": "base64", "dimensions": 3}),
    ("/v1/embeddings", {"input": ["a", "b c"], "user": "u"}),
    ("/v1/embeddings", {"input": [5, 6]}),
    ("/v1/embeddings", {"input": [[5, 6], [2, 7, 3]]}),
    ("/embed", {"inputs": ["a", "b"], "normalize": False, "truncate": True, "truncation_direction": "Right"}),
    ("/embed", {"inputs": "a " * 40, "prompt_name": "query", "dimensions": 2}),
    (
        "/similarity",
        {"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}, "parameters": {"truncate": True}},
    ),
    (
        "/rerank",
        {"query": "a", "texts": ["b", "c"], "raw_scores": True, "return_text": True, "truncate": True},
    ),
    ("/compare", {"text_a": "a", "text_b": "b [SEP] \u4e2d", "explain": True}),
    ("/matrix", {"texts": ["a", "b", ""]}),
    ("/trace", {"text_a": "a b", "text_b": "c"}),
)
_RAW = (
    b'{"input": "\\ud800", "model": "\\udfff"}',
    b'{"input": NaN, "input": [1e400, -1]}',
    b'{"input": ["\xff", "\xed\xa0\x80"]}',
    b'{"input": ' + b"[" * 3000,
    b'{"input": [' + b"1" * 5000 + b"]}",
    b'\xff\xfe{\x00"\x00',
)
SEEDS = [
    *(bytes([ROUTES.index(route)]) + json.dumps(body).encode() for route, body in _BODIES),
    *(
        bytes([i]) + raw.replace(b"input", name)
        for i, name in enumerate((b"input", b"inputs"))
        for raw in _RAW
    ),
]

_app = create_app(
    MiniLM(sentence_encoder("served"), threads=1), SETTINGS, CrossEncoder(cross_encoder(), threads=1)
)
_loop = asyncio.new_event_loop()


def one_input(data: bytes) -> None:
    """Raise if the answer is neither a success nor a documented error."""
    which = data[0] if data else 0
    content_type, route = divmod(which, len(ROUTES))
    status, answer = ask(ROUTES[route], CONTENT_TYPES[content_type % len(CONTENT_TYPES)], data[1:])
    content = json.loads(answer)
    if status == 200:
        assert "error" not in content
        return
    assert status in REFUSALS, (status, answer)
    if ROUTES[route] in {"/embed", "/similarity", "/rerank"}:  # text-embeddings-inference's form
        assert set(content) == {"error", "error_type"}, answer
        assert content["error"], answer
        assert content["error_type"] in {"Validation", "Empty"}, answer
        return
    assert set(content) == {"error"}, answer
    assert set(content["error"]) == {"message", "type", "param", "code"}, answer
    assert content["error"]["message"], answer
    assert content["error"]["type"] == "invalid_request_error", answer


def ask(path: str, content_type: bytes, body: bytes) -> tuple[int, bytes]:
    """The status and the body of the answer; an exception of the application is a status of its own."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", content_type)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    sent: list[dict[str, Any]] = []
    bodies = [body]

    async def receive() -> dict[str, Any]:
        if not bodies:  # the client waits for the answer
            await asyncio.Event().wait()
        return {"type": "http.request", "body": bodies.pop(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    _loop.run_until_complete(_app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
