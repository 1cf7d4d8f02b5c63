"""Stand-ins of services, each with its own protocol, around a function that makes vectors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Embed = Callable[..., Any]


@dataclass
class Service:
    """What a stand-in answers, and what it was asked."""

    embed: Embed
    protocol: str = "openai"
    models: Sequence[str] = ("all-minilm",)
    first: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)  # answers before all others
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Return the status and the JSON for a request."""
        if self.protocol == "openai" and path == "/v1/models":
            return 200, {"data": [{"id": name} for name in self.models]}
        if self.protocol == "openai" and path == "/v1/embeddings":
            rows = [
                {"index": i, "embedding": [*map(float, v)]} for i, v in enumerate(self.embed(body["input"]))
            ]
            return 200, {"data": rows[::-1]}
        if self.protocol == "tei" and path == "/embed":
            return 200, [[*map(float, v)] for v in self.embed(body["inputs"])]
        if self.protocol == "ollama" and path == "/api/tags":
            return 200, {"models": [{"name": name} for name in self.models]}
        if self.protocol == "ollama" and path == "/api/embed":
            return 200, {"embeddings": [[*map(float, v)] for v in self.embed(body["input"])]}
        return 404, {"error": "no such route"}


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve it on a free port, whose address is then ``service.url``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self.reply(None)

        def reply(self, body: Any) -> None:
            service.requests.append((self.path, dict(self.headers), body))
            if service.first and body is not None:
                status, headers, data = service.first.pop(0)
            else:
                status, value = service.answer(self.path, body)
                headers, data = {"Content-Type": "application/json"}, json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
