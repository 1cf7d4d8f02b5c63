"""A Hugging Face Hub on 127.0.0.1, with repositories of a few bytes and every way to fail."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote

# Long enough for a loaded machine, short enough that a mistake does not hang a test run.
PATIENCE_SECONDS = 30


def flipped(content: bytes) -> bytes:
    """The same bytes with one bit flipped in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def etag(name: str, content: bytes) -> str:
    """The ETag of a file: sha256 for large files, git's sha1 for others."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, object]:
    """A file in the list that the Hub gives of a commit."""
    entry: dict[str, object] = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": etag(name, content),
    }
    if name.endswith(".safetensors"):
        entry["lfs"] = {"oid": etag(name, content), "size": len(content), "pointerSize": 134}
    return entry


@dataclass
class FakeHub:
    """The server. Its fields may change while it runs. ``requests`` lists the requested files in order."""

    status: int | None = None  # answer every request with this status
    damaged: set[str] = field(default_factory=set)  # serve these files with one bit flipped
    cut: set[str] = field(default_factory=set)  # close the connection in the middle of these files
    stalled: set[str] = field(default_factory=set)  # stop in the middle of these files until `resume` is set
    move_main: tuple[str, str] | None = None  # after the first file from main, main becomes this commit
    gated: dict[str, str] = field(default_factory=dict)  # the token that a repository needs
    drip: float = 0  # seconds to wait between eighths of each file
    requests: list[tuple[str, str]] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)  # the tokens of the requests
    half_sent: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)
    _repositories: dict[str, dict[str, Mapping[str, bytes]]] = field(default_factory=dict)
    _refs: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, repo_id: str, commit: str, files: Mapping[str, bytes], ref: str = "main") -> None:
        """Publish ``files`` as a commit, to which the branch or tag ``ref`` then points."""
        self._repositories.setdefault(repo_id, {})[commit] = files
        self._refs[repo_id, ref] = commit

    def downloads(self, name: str) -> int:
        """How often the content of a file was requested."""
        return self.requests.count(("GET", name))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request for ``/{repo_id}/resolve/{revision}/{file}`` as the Hub does."""
        repo_id, found, rest = unquote(handler.path).lstrip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if not found:  # huggingface_hub also sends requests that are not for files
            return self._answer_api(handler)
        self.requests.append((handler.command, name))
        self.credentials.add(handler.headers["Authorization"])
        if self.status is not None:
            return _refuse(handler, self.status)
        if repo_id in self.gated and handler.headers["Authorization"] != f"Bearer {self.gated[repo_id]}":
            return _refuse(handler, 401, {"X-Error-Code": "GatedRepo"})
        commit = self._refs.get((repo_id, revision), revision)
        commits = self._repositories.get(repo_id)
        if commits is None:
            return _refuse(handler, 404, {"X-Error-Code": "RepoNotFound"})
        if commit not in commits:
            return _refuse(handler, 404, {"X-Error-Code": "RevisionNotFound"})
        if name not in commits[commit]:
            return _refuse(handler, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        return self._send(handler, name, commit, commits[commit][name])

    def _answer_api(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer what ``snapshot_download`` asks: the commit of a revision, and the list of its files."""
        pattern = r"/api/models/(?P<repo>[^/]+/[^/]+)(/(?P<what>revision|tree)/(?P<revision>[^?]+))?"
        match = re.match(pattern, unquote(handler.path))
        repo_id = match["repo"] if match else ""
        commit = self._refs.get((repo_id, (match and match["revision"]) or "main"))
        commit = commit or (match and match["revision"]) or ""
        files = self._repositories.get(repo_id, {}).get(commit)
        if match is None or files is None or self.status is not None:
            return _refuse(handler, self.status or 404)
        listing = [_entry(name, content) for name, content in files.items()]
        names = [{"rfilename": name} for name in files]  # older releases need these
        answer = listing if match["what"] == "tree" else {"id": repo_id, "sha": commit, "siblings": names}
        body = json.dumps(answer).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return None

    def _send(self, handler: BaseHTTPRequestHandler, name: str, commit: str, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("ETag", f'"{etag(name, content)}"')
        handler.send_header("X-Repo-Commit", commit)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        body = flipped(content) if name in self.damaged else content
        half = len(body) // 2
        handler.wfile.write(body[:half])
        if name in self.cut:
            return  # HTTP/1.0: the connection is closed
        if name in self.stalled:
            self.half_sent.set()
            self.resume.wait(PATIENCE_SECONDS)
        rest = body[half:]
        eighth = len(body) // 8 + 1
        while self.drip and rest:
            handler.wfile.write(rest[:eighth])
            rest = rest[eighth:]
            time.sleep(self.drip)
        handler.wfile.write(rest)
        if self.move_main is not None:
            repo_id, new_commit = self.move_main
            self._refs[repo_id, "main"] = new_commit

    def __enter__(self) -> FakeHub:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        # a short poll, because shutting down waits for it once per test
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.resume.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for the threads of its requests


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    hub: FakeHub

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing, because some tests kill a client in the middle of a file."""


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0 has one request per connection, so none is left open between tests
    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.hub.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        """Print nothing on stderr."""


def _refuse(handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
