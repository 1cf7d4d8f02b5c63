"""The sockets that the service listens on: an address and a port, or a path."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``; 0 is any free port. OSError if it cannot."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # Windows would let two servers have the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def listen_at(path: str, mode: int) -> Iterator[socket.socket]:
    """A Unix socket at ``path`` with these mode bits, which is removed at the end.

    What a dead server left there is replaced. OSError if a live server has it, or if it is no socket.
    """
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        previous = os.umask(0o777 & ~mode)  # so that it never has other bits
        try:
            listener.bind(path)
        except OSError as error:  # also a path that is too long, which has no errno
            raise OSError(error.errno or errno.ENAMETOOLONG, error.strerror or str(error), path) from None
        finally:
            os.umask(previous)
        listener.listen(BACKLOG)
        own = _identity(path)
        try:
            yield listener
        finally:
            with suppress(OSError):
                if _identity(path) == own:  # not that of a server that came after this one
                    Path(path).unlink()


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).lstat()
    return status.st_dev, status.st_ino


def _remove_stale(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(Path(path).lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise OSError(errno.EEXIST, "there is something else than a socket: choose another path", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
    raise OSError(errno.EADDRINUSE, "another server listens there: stop it, or choose another path", path)


def address_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    name = listener.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host, port = name[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
