"""`minilm serve` in a process of its own, for the tests of the service and of the page, and two texts."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

A, B = "A girl is styling her hair.", "A girl is brushing her hair."

# The same float32 arithmetic. Except with AVX-512, the last digits depend on the other texts of a batch.
BOUND = 3e-7


class Server:
    """`minilm serve` in a process of its own."""

    def __init__(self, *options: str, port: int = 0, program: str = "") -> None:
        start = ["-m", "minilm"]
        if program:
            start = ["-c", f"{program}from minilm.cli.main import main; raise SystemExit(main())"]
        command = [sys.executable, *start, "serve", "--port", str(port), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        line = self.process.stderr.readline()
        address = re.search(r"serving on (http://\S+)", line)
        assert address, line
        self.url = address[1]

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, parsed answer and headers; ``body`` is JSON unless it is bytes."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {
            "Content-Type": "application/json",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        request = urllib.request.Request(self.url + path, data, all_headers)
        try:
            with urllib.request.urlopen(request) as answer:
                content = answer.read()
                is_json = "json" in answer.headers["Content-Type"]
                return answer.status, json.loads(content) if is_json else content, dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), dict(error.headers)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait()
        assert self.process.stderr
        self.process.stderr.close()
        return code


TEXT_EMBEDDINGS_INFERENCE = {
    "/embed",
    "/embed_all",
    "/embed_sparse",
    "/similarity",
    "/rerank",
    "/predict",
    "/tokenize",
    "/decode",
}


def error_message(path: str, content: Any) -> str:
    """The message of an error, which must have the form of the protocol that has ``path``."""
    if path in TEXT_EMBEDDINGS_INFERENCE:
        assert set(content) == {"error", "error_type"}
        assert content["error_type"] in ("Backend", "Empty", "Overloaded", "Validation")
        message = content["error"]
    elif path in ("/v1/rerank", "/v2/rerank"):  # Cohere and Jina
        assert content == {"message": content["detail"], "detail": content["message"]}
        message = content["message"]
    elif path.startswith("/api/"):  # Ollama
        assert set(content) == {"error"}
        message = content["error"]
    else:
        assert set(content) == {"error"}
        assert set(content["error"]) == {"message", "type", "param", "code"}
        message = content["error"]["message"]
    assert isinstance(message, str)
    assert message
    return message
