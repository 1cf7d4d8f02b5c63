"""minilm/server/access_log.py: the request id, Server-Timing, and lines that nobody can forge."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from minilm.server.access_log import AccessLog
from minilm.server.logs import _JsonFormatter, _PlainFormatter
from minilm.server.metrics import Metrics
from minilm.server.middleware import Gate
from minilm.server.request_record import current_record
from minilm.server.settings import ServerSettings
from tests.serving import Server


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    record = current_record()
    record.texts, record.tokens, record.truncated = 2, 14, 1
    record.add_seconds("tokenize", 0.25)
    record.add_seconds("queue", 0.5)
    record.add_seconds("queue", 0.5)
    await PlainTextResponse("x" * 30)(scope, receive, send)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
    raise KeyError("a bug")


async def left(scope: Scope, receive: Receive, send: Send) -> None:
    """The client has gone, and nothing is answered."""


def ask(app: Any, path: str = "/embed", method: str = "POST", **headers: bytes) -> dict[str, str]:
    """The headers of the answer; ``:status`` is its status."""
    answer: dict[str, str] = {}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]
            assert len(dict(pairs)) == len(pairs)
            answer.update({":status": str(message["status"]), **dict(pairs)})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"text=secret",
        "client": ("10.0.0.7", 5),
        "headers": [(name.replace("_", "-").encode(), value) for name, value in headers.items()],
    }  # fmt: skip
    asyncio.run(AccessLog(app)(scope, receive, send))
    return answer


def test_an_id_goes_in_and_out_with_the_timing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minilm.server.access_log"):
        answer = ask(application, x_request_id=b"a-1.b:2")
    assert answer["x-request-id"] == "a-1.b:2"
    assert answer["server-timing"] == "tokenize;dur=250.000, queue;dur=1000.000"
    [record] = caplog.records
    line = json.loads(_JsonFormatter().format(record))
    assert line.pop("ms") >= 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "logger": "minilm.server.access_log", "client": "10.0.0.7", "method": "POST",
        "path": "/embed", "status": 200, "bytes": 30, "texts": 2, "tokens": 14, "truncated": 1,
        "queue_ms": 1000.0, "request_id": "a-1.b:2",
    }  # fmt: skip
    plain = _PlainFormatter().format(record).split(" ", 2)[2]
    assert plain.startswith('10.0.0.7 "POST /embed" 200 bytes=30 ms=')
    assert plain.endswith(" texts=2 tokens=14 truncated=1 queue_ms=1000.0 request_id=a-1.b:2")


@pytest.mark.parametrize("sent", [b"", b"a b", b"a\nb", b"\x1b[2J", b"\xff", b'"', b"a" * 129])
def test_another_id_is_replaced(sent: bytes) -> None:
    made = ask(application, x_request_id=sent)["x-request-id"]
    assert len(made) == 32
    assert int(made, 16)


@pytest.mark.parametrize("path", ["/a\nforged", "/\x1b[2J", '/" 200', "/\u2028é", "/" + "a" * 5000])
def test_a_path_cannot_forge_a_line(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minilm.server.access_log"):
        ask(application, path)
    for formatter in (_PlainFormatter(), _JsonFormatter()):
        line = formatter.format(caplog.records[0])
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 600
        assert "secret" not in line  # the query
    assert _PlainFormatter().format(caplog.records[0]).count('"') == 2


def test_a_failure_has_its_id_in_the_answer_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(lambda: 0.0)
    handler = logging.Handler()
    lines: list[str] = []
    handler.emit = lambda record: lines.append(_PlainFormatter().format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("minilm.server")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "minilm.server"):
            answer = ask(Gate(broken, ServerSettings(), metrics), x_request_id=b"mine")
    finally:
        logger.removeHandler(handler)
    assert (answer[":status"], answer["x-request-id"]) == ("424", "mine")
    assert "error minilm.server.responses [mine] POST /embed failed\n  | Traceback" in lines[0]
    assert '"POST /embed" 424 ' in lines[1]
    assert b'minilm_requests_total{method="POST",path="other",status="424"} 1.0\n' in metrics.text()


def test_a_failure_outside_of_the_gate_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minilm.server.access_log"), pytest.raises(KeyError):
        ask(broken)
    assert [record.fields["status"] for record in caplog.records] == [500]  # type: ignore[attr-defined]


def test_a_client_who_left_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minilm.server.access_log"):
        ask(left)
        ask(application, method="HEAD")
    assert [record.fields["status"] for record in caplog.records] == [499, 200]  # type: ignore[attr-defined]
    assert caplog.records[1].fields["bytes"] == 0  # type: ignore[attr-defined]


def test_the_access_log_of_a_server_counts_and_has_no_text() -> None:
    server = Server("--access-log", "json", "--api-key", "sesame")
    key = {"api-key": "sesame"}
    assert server.ask("/embed", {"inputs": ["some words", "cat"]}, **key)[0] == 200
    headers = server.ask("/embed", {"inputs": "secret"}, X_Request_Id="no-key")[2]
    assert headers["x-request-id"] == "no-key"
    assert server.process.stderr
    first, second = (json.loads(server.process.stderr.readline()) for _ in range(2))
    assert server.stop() == 0
    assert (first["status"], first["texts"], first["tokens"], first["truncated"]) == (200, 2, 7, 0)
    assert (second["status"], second["texts"], second["request_id"]) == (401, 0, "no-key")
    assert not any(text in json.dumps([first, second]) for text in ("words", "secret", "sesame"))
