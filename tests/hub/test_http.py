"""hub/http.py: a file from any address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from minilm.util import http_get


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing on stderr."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file.txt").write_bytes(b"content")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "there")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_is_written_whole_with_its_folders(address: str, tmp_path: Path) -> None:
    http_get(f"{address}/file.txt", tmp_path / "new" / "copy.txt")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy.txt"]
    assert (tmp_path / "new" / "copy.txt").read_bytes() == b"content"


def test_a_file_that_is_not_there_leaves_nothing(address: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="404"):
        http_get(f"{address}/other.txt", tmp_path / "copy.txt")
    assert not (tmp_path / "copy.txt").exists()


def test_only_the_web_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="url must begin with http:// or https://, not 'file:///etc/passwd'"):
        http_get("file:///etc/passwd", tmp_path / "copy.txt")
