"""minilm/server/methods.py: HEAD, OPTIONS and Allow."""

from __future__ import annotations

import re
import socket
from http.client import HTTPConnection, HTTPResponse

import pytest

from minilm.server.routes.page import PAGE_FILES
from tests.serving import Server

GOT = [*PAGE_FILES, "/health", "/v1/models", "/v1/models/any", "/openapi.json", "/metrics"]


def ask(server: Server, method: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
    named = {name.replace("_", "-"): text for name, text in {"X_Request_ID": "1", **headers}.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("path", GOT)
def test_head_is_get_without_the_body(server: Server, path: str, coding: str) -> None:
    got, content = ask(server, "GET", path, Accept_Encoding=coding)
    head, nothing = ask(server, "HEAD", path, Accept_Encoding=coding)
    assert (head.status, nothing) == (got.status, b"")
    assert int(head.headers["content-length"]) > 0
    if path != "/metrics":  # counts the request before
        assert int(head.headers["content-length"]) == len(content)
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_no_byte_follows_the_answer_to_head(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        connection.sendall(
            b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"(?m)^HTTP/1.1 (\d+)", received) == [b"200", b"200"]
    assert received.count(b"<html") == 0
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/health", "/embed"])
def test_other_methods_learn_which_are_allowed(server: Server, method: str, path: str) -> None:
    answer, _ = ask(server, method, path)
    allowed = {"/health": "GET, HEAD, OPTIONS", "/embed": "POST, OPTIONS"}[path]
    assert (answer.status, answer.headers["allow"]) == (204 if method == "OPTIONS" else 405, allowed)


def test_get_and_head_of_what_takes_post_are_405(server: Server) -> None:
    for method in ("GET", "HEAD"):
        answer, _ = ask(server, method, "/embed")
        assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


def test_a_path_that_is_not_there_is_404_by_every_method(server: Server) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        assert ask(server, method, "/nowhere")[0].status == 404


def test_the_metrics_know_the_route_and_the_method_of_head(server: Server) -> None:
    ask(server, "HEAD", "/v1/models/any")
    line = b'minilm_requests_total{method="HEAD",path="/v1/models/{model:path}"'
    assert line in ask(server, "GET", "/metrics")[1]
