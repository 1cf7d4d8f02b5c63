"""minilm/server/path_prefix.py: behind a proxy that keeps the prefix, or takes it off."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import pytest

from tests.serving import A, B, Server

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")

# A whole configuration: two ports, of which the first keeps the prefix and the second takes it off.
CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{keeps}; location /minilm {{ proxy_pass {url}; }} }}
    server {{ listen 127.0.0.1:{strips}; location /minilm/ {{ proxy_pass {url}/; }} }}
}}
"""


@pytest.fixture(scope="module")
def prefixed() -> Iterator[Server]:
    running = Server("--root-path", "/minilm")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def ports(prefixed: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Two ports of nginx in front of the server, by what they do with the prefix."""
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    folder = tmp_path_factory.mktemp("nginx")
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    keeps, strips = (listener.getsockname()[1] for listener in free)
    for listener in free:
        listener.close()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, keeps=keeps, strips=strips, url=prefixed.url))
    with subprocess.Popen([NGINX, "-p", str(folder), "-c", str(file), "-e", "stderr"]) as process:
        try:
            while not listens(keeps) or not listens(strips):
                assert process.poll() is None
            yield {"keeps": keeps, "strips": strips}
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize("path", ["", "/minilm"])
def test_the_server_answers_with_and_without_the_prefix(prefixed: Server, path: str) -> None:
    port = int(prefixed.url.rpartition(":")[2])
    for method, route, body, status in (
        ("GET", "/", None, 200),
        ("HEAD", "/docs", None, 200),
        ("GET", "/notebook", None, 200),
        ("POST", "/v1/embeddings", b'{"input": "a"}', 200),
        ("POST", "/v1/embeddings", b'{"input": 1.5}', 400),
        ("GET", "/nowhere", None, 404),
    ):
        assert ask(port, method, path + route, body)[0].status == status


def test_the_prefix_without_its_slash_leads_to_the_page(prefixed: Server) -> None:
    answer, _ = ask(int(prefixed.url.rpartition(":")[2]), "GET", "/minilm")
    assert (answer.status, answer.headers["location"]) == (308, "/minilm/")


def test_a_path_that_only_begins_like_the_prefix_is_another(prefixed: Server) -> None:
    assert ask(int(prefixed.url.rpartition(":")[2]), "GET", "/minilmhealth")[0].status == 404


def test_the_key_is_asked_for_whatever_the_prefix() -> None:
    """The prefix begins with a path that needs no key by itself."""
    running = Server("--root-path", "/health/a", "--api-key", "secret")
    try:
        port = int(running.url.rpartition(":")[2])
        assert ask(port, "POST", "/health/a/embed", b'{"inputs": "a"}')[0].status == 401
        assert ask(port, "GET", "/health/a/health")[0].status == 200
    finally:
        assert running.stop() == 0


@pytest.mark.parametrize("proxy", ["keeps", "strips"])
def test_the_document_says_where_the_routes_are(ports: dict[str, int], proxy: str) -> None:
    _, content = ask(ports[proxy], "GET", "/minilm/openapi.json")
    document = json.loads(content)
    assert document["servers"] == [{"url": "/minilm"}]
    answer, _ = ask(ports[proxy], "POST", document["servers"][0]["url"] + "/embed", b'{"inputs": "a"}')
    assert "/embed" in document["paths"]
    assert answer.status == 200


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("proxy", ["keeps", "strips"])
def test_the_page_and_the_documentation_work_in_a_browser(ports: dict[str, int], proxy: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        answered: list[tuple[int, str]] = []
        # of the tabs that links open as well
        page.context.on("response", lambda answer: answered.append((answer.status, answer.url)))
        page.goto(f"http://127.0.0.1:{ports[proxy]}/minilm")
        page.get_by_label("First text").fill(A)
        page.get_by_label("Second text").fill(B)
        page.get_by_role("button", name="Compare", exact=True).click()
        page.locator("#score").wait_for()
        assert page.locator("#score").inner_text() == "Score: 0.8052"
        page.get_by_role("tab", name="Inside").click()
        page.locator("#inside-example").click()
        for name in ("Notebook 01, “What does the model read?”", "encoder.py, self_attention"):
            with page.expect_popup() as opened:
                page.get_by_role("link", name=name).click()
            opened.value.wait_for_url(re.compile("/minilm/(notebook|source/encoder)"))
            opened.value.wait_for_load_state()
            opened.value.close()
        page.get_by_role("link", name="HTTP API").click()
        page.locator("#operations-operation-health_health_get").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
        assert page.locator(".request-url pre").inner_text().endswith("/minilm/health")
        browser.close()
    assert {status for status, url in answered if not url.endswith("/minilm")} == {200}
