"""HTTP services: three protocols, and everything that they may answer."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from minilm.check.targets.http import MAX_REQUESTS, HttpTarget, is_http
from minilm.check.targets.target import RefusedError, TargetError
from tests.check.services import Service, serving

JSON = {"Content-Type": "application/json"}


def two(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


@pytest.mark.parametrize(
    ("protocol", "name", "path"),
    [
        ("openai", "OpenAI", "/v1/embeddings"),
        ("tei", "text-embeddings-inference", "/embed"),
        ("ollama", "Ollama", "/api/embed"),
    ],
)
def test_the_protocol_is_found_by_asking(protocol: str, name: str, path: str) -> None:
    with serving(Service(two, protocol)) as service:
        target = HttpTarget(service.url + "/")
        assert target.name == f"{service.url}{path} ({name}'s protocol)"
        np.testing.assert_array_equal(target.embed(["a", "abc"]), [[1, 1], [3, 1]])
        path_given = HttpTarget(service.url + path)
        np.testing.assert_array_equal(path_given.embed(["ab"]), [[2, 1]])


def test_openai_clients_name_the_folder_v1() -> None:
    with serving(Service(two)) as service:
        assert HttpTarget(f"{service.url}/v1").embed(["ab"]).tolist() == [[2, 1]]


def test_the_model_is_the_only_one_or_the_one_that_is_named() -> None:
    with serving(Service(two, "ollama", models=["all-minilm:latest", "llama"])) as service:
        HttpTarget(service.url).embed(["a"])
        assert service.requests[-1][2] == {"input": ["a"], "model": "all-minilm:latest"}
        HttpTarget(service.url, model="llama").embed(["a"])
        assert service.requests[-1][2]["model"] == "llama"
    with (
        serving(Service(two, models=["one", "two"])) as service,
        pytest.raises(TargetError, match="one, two"),
    ):
        HttpTarget(service.url)


def test_the_key_and_headers_are_sent_and_a_missing_key_is_said() -> None:
    with serving(Service(two)) as service:
        HttpTarget(service.url, api_key="k", headers=[("X-Team", "search")])
        _, headers, _ = service.requests[-1]
        assert (headers["Authorization"], headers["X-Team"]) == ("Bearer k", "search")
        service.first = [(401, JSON, b'{"error": "no key"}')]
        with pytest.raises(TargetError, match=r'HTTP 401: \{"error": "no key"\}; --api-key or --header'):
            HttpTarget(service.url)


def test_a_redirect_is_not_followed_because_the_key_is_for_this_address() -> None:
    with serving(Service(two)) as service, serving(Service(two)) as other:
        service.protocol = "none"
        service.first = [(307, {"Location": f"{other.url}/v1/embeddings"}, b"")]
        with pytest.raises(TargetError, match=f"HTTP 307, a redirect to {other.url}/v1/embeddings"):
            HttpTarget(service.url, api_key="secret")
        assert other.requests == []


def test_too_many_requests_are_waited_for_as_the_service_asks() -> None:
    waited: list[float] = []
    said: list[str] = []
    with serving(Service(two)) as service:
        target = HttpTarget(service.url, sleep=waited.append, say=said.append)
        late = "Fri, 01 Jan 1999 00:00:00 GMT"  # a date that has passed
        service.first = [(429, {"Retry-After": "7"}, b""), (429, {"Retry-After": late}, b""), (429, {}, b"")]
        assert target.embed(["ab"]).tolist() == [[2, 1]]
        assert waited == [7, 0, 4]
        assert said[0] == "HTTP 429: waiting 7 s, as the service asks"
        service.first = [(429, {"Retry-After": "3600"}, b"")]
        with pytest.raises(TargetError, match="asks to wait 3600 s: try again later"):
            target.embed(["a"])


def test_no_more_than_300_requests_are_sent() -> None:
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed", sleep=lambda _: None)
        for _ in range(MAX_REQUESTS - 1):
            target.embed(["a"])
        with pytest.raises(TargetError, match="300 requests were not enough; --quick needs fewer"):
            target.embed(["a"])
        assert len(service.requests) == MAX_REQUESTS == 300


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"<!DOCTYPE html><h1>Welcome</h1>",
            "POST .*/embed with 1 text: no vectors, but HTTP 200: an HTML page",
        ),
        (b"", "no vectors, but HTTP 200: nothing"),
        (b'{"vectors": 1}', r'no vectors, but HTTP 200: \{"vectors": 1\}'),
        (b"[[1, 2], [3, 4]]", "asked for 1 vector, got 2"),
        (b"[]", "asked for 1 vector, got 0"),
        (b'[["0.5"]]', "asked for 1 vector, got '0.5' in component 0 of vector 0, which is not a number"),
        (b"[" * 200_000, "POST .*/embed with 1 text: the JSON is nested too deeply"),
        (b"[[[1]]]", r"asked for 1 vector of one length, got arrays of the shapes \(1, 1\)"),
    ],
)
def test_what_is_no_vector_is_said_with_what_came(answer: bytes, message: str) -> None:
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed")
        service.first = [(200, {}, answer)]
        with pytest.raises(TargetError, match=message):
            target.embed(["a"])


def test_not_a_number_and_a_client_error_refuse_these_texts() -> None:
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed")
        service.first = [(200, {}, b"[[1, NaN]]"), (413, JSON, b'{"error": "too long"}')]
        with pytest.raises(RefusedError, match="asked for 1 vector, got NaN in component 1 of vector 0"):
            target.embed(["a"])
        with pytest.raises(RefusedError, match=r'with 1 text: HTTP 413: \{"error": "too long"\}'):
            target.embed(["a"])


def test_an_address_without_a_service_is_one_clear_line() -> None:
    with serving(Service(two)) as service:
        url = service.url
    with pytest.raises(TargetError, match=f"GET {url}/v1/models: Connection refused"):
        HttpTarget(url)
    with serving(Service(two, "none")) as service, pytest.raises(TargetError) as error:
        HttpTarget(service.url)
    assert str(error.value).startswith(
        f"{service.url} speaks no protocol known here. POST {service.url}/v1/emb"
    )
    assert str(error.value).count("HTTP 404") == 3


def test_a_service_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed", timeout=60)

        def never(*_: Any, **__: Any) -> None:
            raise TimeoutError

        monkeypatch.setattr(target._opener, "open", never)
        with pytest.raises(
            TargetError, match=r"POST .*/embed: no answer within 60 s; --timeout waits longer"
        ):
            target.embed(["a"])


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_given_up(begin: bytes) -> None:
    """Each byte comes in time, and the answer never ends."""
    done = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(begin)
            while not done.wait(0.05):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            with pytest.raises(TargetError, match=r"POST .*/embed: no answer within 1 s; --timeout waits"):
                HttpTarget(f"http://127.0.0.1:{listener.getsockname()[1]}/embed", timeout=1)
        finally:
            done.set()
            thread.join()


def test_only_our_texts_are_sent() -> None:
    with serving(Service(two, "tei")) as service:
        HttpTarget(f"{service.url}/embed").embed(["a", "b"])
        assert [json.dumps(body) for _, _, body in service.requests] == [
            '{"inputs": ["hello world"]}',
            '{"inputs": ["a", "b"]}',
        ]


def test_is_http() -> None:
    assert is_http("http://a")
    assert is_http("https://a/b")
    assert not is_http("ftp://a")
    assert not is_http("module:function")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://", "TARGET must be an address such as http://localhost:11434, not 'http://'"),
        ("http://[::1", "TARGET must be an address such as"),
        ("http://host:x", "TARGET must be an address such as"),
        ("http://a b", "TARGET must be an address such as"),
        ("http://höst", "TARGET must be an address such as"),
        ("http://user:secret@host", "TARGET must have no user name or password"),
        ("http://host#part", "TARGET must be an address without a fragment"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        HttpTarget(url)
    assert "secret" not in str(error.value)


def test_a_route_of_any_beginning_and_a_query_are_kept() -> None:
    class Deployment(Service):
        def answer(self, path: str, body: Any) -> tuple[int, Any]:
            route, _, query = path.partition("?")
            assert query == "api-version=1"
            return super().answer(route.replace("/deployments/a/embeddings", "/v1/embeddings"), body)

    with serving(Deployment(two)) as service:
        target = HttpTarget(f"{service.url}/deployments/a/embeddings?api-version=1")
        assert target.embed(["ab"]).tolist() == [[2, 1]]
        assert service.requests[-1][0] == "/deployments/a/embeddings?api-version=1"


@pytest.mark.parametrize("fault", [TimeoutError(), ConnectionResetError(104, "Connection reset by peer")])
def test_an_error_whose_body_does_not_come_is_one_clear_line(
    fault: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed", timeout=60)
        service.first = [(500, {}, b"")]

        def fail(_: Any) -> None:
            raise fault

        monkeypatch.setattr(target, "_read", fail)
        with pytest.raises(TargetError, match=r"POST .*/embed: (no answer within 60 s|Connection reset)"):
            target.embed(["a"])


def test_a_service_that_is_always_busy_is_given_up() -> None:
    waited: list[float] = []
    with serving(Service(two, "tei")) as service:
        target = HttpTarget(f"{service.url}/embed", sleep=waited.append)
        service.first = [(429, {"Retry-After": "1"}, b"")] * 30
        with pytest.raises(TargetError, match="HTTP 429 asks to wait 1 s after 20 waits: try again later"):
            target.embed(["a"])
    assert waited == [1.0] * 20
