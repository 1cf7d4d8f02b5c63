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
from minilm.server.protocol import Protocol
from minilm.server.settings import ServerSettings

# How long answers may still take after SIGTERM: a client that does not read would delay the stop forever.
GRACE_SECONDS = 30


class _Server(uvicorn.Server):
    """uvicorn, but a stop by a signal is not a failure: the exit code is 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            self.should_exit = True

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


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
    """Serve until SIGTERM or Ctrl-C. Requests that were accepted by then are answered first.

    ``listener`` comes from :func:`listen`; ``announce`` is called with a line once requests are accepted.
    """
    host, port = listener.getsockname()[:2]
    address = f"[{host}]" if listener.family == socket.AF_INET6 else host
    proxies = list(settings.forwarded_allow_ips)
    config = uvicorn.Config(
        create_app(model, settings, reranker),
        http=Protocol,
        access_log=False,  # /metrics counts; a line per request would cost more than some requests
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,  # longer than that of proxies, so that they close first
        server_header=False,
        forwarded_allow_ips="*" if "*" in proxies else proxies,
    )
    announce(f"serving on http://{address}:{port}")
    _Server(config).run(sockets=[listener])
