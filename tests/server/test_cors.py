"""minilm/server/cors.py: what the pages of another site may send and read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from minilm import MiniLM
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.serving import Server

ORIGIN = "https://example.org"
# What the package openai (JavaScript) asks for in a browser, before its first request.
ASKED = (
    "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)


@pytest.fixture(scope="module")
def named() -> Iterator[Server]:
    running = Server("--cors-origin", ORIGIN, "--api-key", "secret", "--max-body-bytes", "1000")
    yield running
    assert running.stop() == 0


def ask(server: Server, method: str, headers: dict[str, str], body: bytes | None = None) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
    connection.request(method, "/v1/embeddings", body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def preflight(server: Server, origin: str, **more: str) -> HTTPResponse:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ASKED}
    more = {name.replace("_", "-"): value for name, value in more.items()}
    return ask(server, "OPTIONS", {"Origin": origin, **asks, **more})


def test_the_preflight_of_openai_s_client_passes(named: Server) -> None:
    answer = preflight(named, ORIGIN)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert answer.headers["access-control-allow-headers"] == ASKED
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-private-network"] is None


def test_a_page_that_is_named_may_reach_a_private_network(named: Server) -> None:
    asks = {"Access_Control_Request_Private_Network": "true"}
    answer = preflight(named, ORIGIN, **asks)
    assert (answer.status, answer.headers["access-control-allow-private-network"]) == (200, "true")
    other = preflight(named, "https://example.com", **asks)
    assert (other.status, other.headers["access-control-allow-private-network"]) == (400, None)


def test_the_preflight_of_another_origin_fails(named: Server) -> None:
    answer = preflight(named, "https://example.com")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (400, None)


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("secret", b'{"input": "a"}', 200),
        ("secret", b'{"input": 1.5}', 400),
        ("wrong", b'{"input": "a"}', 401),
        ("secret", b" " * 1001, 413),
    ],
)
def test_a_page_may_read_every_answer_and_its_headers(
    named: Server, key: str, body: bytes, status: int
) -> None:
    answer = ask(named, "POST", {"Origin": ORIGIN, "Authorization": f"Bearer {key}"}, body)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
    assert answer.headers["access-control-expose-headers"] == "*"


def test_a_page_may_read_the_answer_to_a_bug(model: MiniLM) -> None:
    app = create_app(model, ServerSettings(cors_origins=(ORIGIN,)))

    @app.get("/bug")
    async def bug() -> None:
        raise ArithmeticError

    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/bug",
        "query_string": b"",
        "headers": [(b"origin", ORIGIN.encode())],
    }
    asyncio.run(app(scope, receive, send))
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"access-control-allow-origin"]) == (500, ORIGIN.encode())
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
