"""Run the application under uvicorn until the process is told to stop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from minilm.cross_encoder import CrossEncoder
from minilm.model import MiniLM
from minilm.server.app import create_app
from minilm.server.limits import ServerSettings
from minilm.server.protocol import Protocol

# How long answers under way may take after SIGTERM: a client that does not read would hold it forever.
GRACE_SECONDS = 30


class _Server(uvicorn.Server):
    """uvicorn, but a stop that was asked for is no failure: the exit code is 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``; 0 is any free port.

    Raises
    ------
    OSError
        If the address is in use or is none of this machine's.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # Windows would let two servers have the same port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    model: MiniLM,
    settings: ServerSettings,
    listener: socket.socket,
    announce: Callable[[str], None],
    reranker: CrossEncoder | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; what was accepted by then is answered first.

    Parameters
    ----------
    model : MiniLM
    settings : ServerSettings
    listener : socket
        As :func:`listen` makes it.
    announce : callable
        Told the address once requests are taken.
    reranker : CrossEncoder, optional
        With one, there is also ``/rerank``.
    """
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if listener.family == socket.AF_INET6 else host
    config = uvicorn.Config(
        create_app(model, settings, reranker),
        http=Protocol,
        access_log=False,  # /metrics counts; a line a request would cost more than some requests do
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,  # longer than proxies keep theirs, so that they close first
        server_header=False,
    )
    announce(f"serving on http://{shown}:{port}")
    _Server(config).run(sockets=[listener])
