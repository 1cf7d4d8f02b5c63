"""Run the application under uvicorn until the process is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from minilm.cross_encoder import CrossEncoder
from minilm.documents.documents import Documents
from minilm.model import MiniLM
from minilm.server.app import create_app
from minilm.server.protocol import Protocol
from minilm.server.settings import ServerSettings
from minilm.server.sockets import address_of
from minilm.server.workers import Workers
from minilm.sparse_encoder import SparseEncoder

# How long answers may still take after SIGTERM: a client that does not read would delay the stop forever.
GRACE_SECONDS = 30
Announce = Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn, but the first signal is a stop with exit code 0, which says what it waits for."""

    stop_signal: int | None = None  # the second one, which stops at once

    def __init__(self, config: uvicorn.Config, announce: Announce, parent: int | None = None) -> None:
        super().__init__(config)
        self._announce = announce
        self._parent = parent  # of a worker, which ends with it and is killed by it at a second signal

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            if self.should_exit and self._parent is None:
                self.force_exit, self.stop_signal = True, number
            self.should_exit = True

        numbers = [signal.SIGTERM] if self._parent is not None else [signal.SIGINT, signal.SIGTERM]
        previous = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop: told so, or left by the parent."""
        is_orphan = self._parent is not None and os.getppid() != self._parent
        return await super().on_tick(counter) or is_orphan

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and say first what that waits for."""
        if count := len(self.server_state.tasks):
            requests = "1 request" if count == 1 else f"{count} requests"
            limit = f"at most {GRACE_SECONDS} s"
            self._announce(f"stopping: waiting for {requests}, {limit}; Ctrl-C again stops now")
        await super().shutdown(sockets)
        if self.force_exit:  # the tasks are cancelled, each with a traceback that says nothing new
            logging.getLogger("uvicorn.error").disabled = True


def serve(
    model: MiniLM,
    settings: ServerSettings,
    listener: socket.socket,
    announce: Announce,
    reranker: CrossEncoder | None = None,
    classifier: CrossEncoder | None = None,
    documents: Documents | None = None,
    sparse_encoder: SparseEncoder | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. Requests that were accepted by then are answered first.

    ``listener`` is a listening socket; ``announce`` is called with a line once requests are accepted. With
    several workers, each is a process of its own with ``model.threads`` threads. A second signal stops at
    once, and is raised again when everything is closed.
    """
    proxies = list(settings.forwarded_allow_ips)

    def run(parent: int | None = None) -> int | None:
        config = uvicorn.Config(
            create_app(model, settings, reranker, classifier, documents, sparse_encoder),
            http=Protocol,
            access_log=False,  # access_log.py has it
            log_config=None,  # logs.py sets it up
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=75,  # longer than that of proxies, so that they close first
            server_header=False,
            forwarded_allow_ips="*" if "*" in proxies else proxies,
        )
        server = _Server(config, announce, parent)
        server.run(sockets=[listener])
        return server.stop_signal

    if settings.workers == 1:
        announce(f"serving on {address_of(listener)}")
        number = run()
    else:
        announce(f"serving on {address_of(listener)} by {settings.workers} workers")
        parent = os.getpid()
        number = Workers(settings.workers, lambda: run(parent), announce).run()
    if number is not None:
        signal.raise_signal(number)
