"""Servers on this machine that a corpus is read from: of HTTP, with ranges and without, and of S3."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class _Handler(http.server.SimpleHTTPRequestHandler):
    """The standard library's handler, which does not know ranges."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _RangeHandler(_Handler):
    """A handler that answers ``Range: bytes=FIRST-LAST`` as RFC 9110 has it."""

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if asked is None:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        first, last = asked.removeprefix("bytes=").split("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


class _BreakingHandler(_Handler):
    """A handler that ends the connection in the middle of a file."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) // 2])
        self.close_connection = True


HANDLERS = {"plain": _Handler, "ranges": _RangeHandler, "breaking": _BreakingHandler}


@contextmanager
def serve_folder(folder: Path, kind: str = "plain") -> Iterator[str]:
    """Serve the files of a folder by HTTP; yields the URL without a slash at the end."""
    handler = functools.partial(HANDLERS[kind], directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start moto's server of S3, and set what a user sets to reach one; yields the file system."""
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield s3fs.S3FileSystem()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()
