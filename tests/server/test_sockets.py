"""minilm/server/sockets.py: Unix sockets."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from minilm.server.sockets import address_of, listen, listen_at

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("no Unix sockets on this system", allow_module_level=True)


def test_a_socket_has_its_mode_and_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "minilm.sock"
    with listen_at(str(path), 0o640) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert address_of(listener) == f"unix:{path}"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "minilm.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listen_at(str(path), 0o600), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_live_server_and_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "minilm.sock"
    with listen_at(str(path), 0o600):
        with pytest.raises(OSError, match="another server listens there"), listen_at(str(path), 0o600):
            pass
        assert path.is_socket()
    path.write_text("a file")
    with pytest.raises(OSError, match="something else than a socket"), listen_at(str(path), 0o600):
        pass
    assert path.read_text() == "a file"


def test_the_socket_of_a_later_server_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "minilm.sock"
    with socket.socket(socket.AF_UNIX) as later:
        with listen_at(str(path), 0o600):
            path.unlink()
            later.bind(str(path))
        assert path.is_socket()


@pytest.mark.parametrize("name", ["a" * 200, "no-such-directory/minilm.sock"])
def test_a_path_that_cannot_be_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=name[:20]) as error, listen_at(str(tmp_path / name), 0o600):
        pass
    assert error.value.strerror


def test_an_address_of_ipv4() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
