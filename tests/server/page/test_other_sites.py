"""A page of another site that asks the server, as docs/coming-from.md shows it for transformers.js."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from minilm import MiniLM
from tests.server.page.browsing import BOUND, watch
from tests.serving import Server
from tests.snippets import ADDRESS, sections


class BlankPage(BaseHTTPRequestHandler):
    """A page of another site than the server of minilm."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>A page</title>")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_the_page_that_comes_from_transformers_js_asks_the_server(browser: Any, model: MiniLM) -> None:
    """The script of docs/coming-from.md, on a page of another site, which the server was told."""
    [section] = [one for one in sections("docs/coming-from.md") if one.heading == "transformers.js"]
    script = section.blocks[-1].code
    assert ADDRESS in script
    with ThreadingHTTPServer(("127.0.0.1", 0), BlankPage) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{site.server_port}"
        server = Server("--cors-origin", origin)
        page = browser.new_page()
        complaints = watch(page)
        try:
            page.goto(origin)
            ask = script.replace(ADDRESS, server.url)
            score = page.evaluate(f"(async () => {{ {ask} return score; }})()")
            # float64 products of float32 vectors
            assert abs(score - model.similarity("I like cats.", "I like dogs.").item()) < BOUND
            assert [seen for seen in complaints if not seen.startswith((origin, server.url))] == []
        finally:
            page.close()
            site.shutdown()
            assert server.stop() == 0
