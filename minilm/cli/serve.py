"""``minilm serve``: the page and the HTTP service."""

from __future__ import annotations

import argparse
import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from minilm.cli.environment import add_environment, environment_errors
from minilm.cli.errors import Failure, UsageError, argument_errors, flag, option_errors
from minilm.cli.options import (
    add_model_options,
    load_model,
    option_type,
    real_number,
    select,
    true_or_false,
    whole_number,
)
from minilm.cli.terminal import say
from minilm.cross_encoder import CrossEncoder
from minilm.documents.documents import Documents
from minilm.errors import import_extra
from minilm.fast.cores import available_cores
from minilm.model import MiniLM
from minilm.sparse_encoder import SparseEncoder

if TYPE_CHECKING:  # it needs the extra
    from minilm.server.settings import ServerSettings

T = TypeVar("T", CrossEncoder, SparseEncoder)

ACCESS_LOGS = ("plain", "json", "none")
LOG_LEVELS = ("debug", "info", "warning", "error")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm serve``."""
    add, count = parser.add_argument, whole_number
    add("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    port = option_type(int, lambda value: 0 <= value <= 65535, "lie in 0 to 65535")
    add("--port", type=port, help="port to listen on (default: 8000; 0: any)")
    add("--uds", metavar="PATH", help="listen on this Unix socket, not on an address and a port")
    add("--uds-mode", type=_mode_bits, metavar="MODE", help="mode bits of that socket (default: 660)")
    add("--reranker", metavar="MODEL", help="a cross-encoder for /rerank: a directory or a name on the Hub")
    add("--db", metavar="DB", help="a table of minilm index for /search")
    add("--classifier", metavar="MODEL", help="a classifier for /predict (default: the reranker, if any)")
    add("--sparse-encoder", metavar="MODEL", help="a SPLADE model for /embed_sparse")
    add("--default-prompt-name", metavar="NAME", help="put this prompt of the checkpoint before every text")
    served = "name of the model in /v1/models and in answers; several are all listed (default: its own)"
    add("--served-model-name", action="extend", nargs="+", default=[], metavar="NAME", help=served)
    add("--strict-model", action="store_true", help="answer 404 to a request that names another model")
    kind = "clients send ids of the model's own vocabulary: wordpiece (default: token ids are refused)"
    add("--token-ids", metavar="KIND", help=kind)
    cut = "cut long texts where a request does not say (default), or not: true or false"
    add("--auto-truncate", nargs="?", const=True, metavar="BOOL", type=true_or_false, help=cut)
    add("--no-auto-truncate", dest="auto_truncate", action="store_false", default=None, help="refuse them")
    add("--threads", type=count, metavar="N", help="number of cores per worker (default: all, shared out)")
    add("--workers", type=count, metavar="N", default=1, help="processes that share the port (default: 1)")
    add("--api-key", metavar="KEY", help="clients must send this key (safer: MINILM_API_KEY, or a file)")
    add(
        "--api-key-file", metavar="FILE", help="clients must send one of these keys: one per line, # comments"
    )
    add("--cors-origin", action="append", default=[], metavar="ORIGIN", help="site that may use the service")
    add("--root-path", metavar="PATH", help="path prefix under which a proxy shows the server, like /minilm")
    add("--forwarded-allow-ips", action="append", metavar="IP", help="proxy whose X-Forwarded-* is believed")
    add("--max-body-bytes", type=count, metavar="N", help="longest body of a request (default: 8 MiB)")
    add("--max-texts", type=count, metavar="N", help="most texts per request (default: 2048)")
    add("--max-characters", type=count, metavar="N", help="most characters per request (default: 2,000,000)")
    add("--max-queue-tokens", type=count, metavar="N", help="most tokens that wait (default: 1,000,000)")
    add("--body-seconds", type=real_number, metavar="S", help="time to send a body (default: 30)")
    add("--access-log", choices=ACCESS_LOGS, default="none", help="one line per request (default: none)")
    add("--log-level", choices=LOG_LEVELS, default="warning", help="what to log (default: %(default)s)")
    add_model_options(parser)
    add_environment(parser)


def run_serve(options: argparse.Namespace) -> None:
    """Run ``minilm serve``."""
    import_extra("minilm.server.run", extra="serve", feature="serve")
    from minilm.server.logs import set_up_logging
    from minilm.server.run import serve

    with environment_errors(options):
        settings = _settings(options)
        # The socket is bound before the model is loaded, so that a port in use is reported at once.
        with _listener(options) as listener:
            options.threads = options.threads or max(1, available_cores() // _worker_count(options))
            model = load_model(options)
            reranker = _load(CrossEncoder, options, options.reranker, model.threads)
            if reranker and reranker.num_labels != 1:
                raise Failure(f"--reranker: a reranker has one label; {reranker!r} has {reranker.num_labels}")
            classifier = _load(CrossEncoder, options, options.classifier, model.threads)
            sparse_encoder = _load(SparseEncoder, options, options.sparse_encoder, model.threads)
            documents = _load_documents(options, model)
            set_up_logging(options.log_level, options.access_log)
            serve(model, settings, listener, say, reranker, classifier, documents, sparse_encoder)


def _load_documents(options: argparse.Namespace, model: MiniLM) -> Documents | None:
    if options.db is None:
        return None
    if options.workers > 1:
        raise UsageError("--db needs --workers 1: LanceDB does not outlive a fork")
    documents = Documents(options.db, model)
    documents.search("the first search opens the table, and checks the model", k=1)
    return documents


def _settings(options: argparse.Namespace) -> ServerSettings:
    from minilm.server.keys import read_keys
    from minilm.server.settings import ServerSettings

    options.api_keys = () if options.api_key is None else (options.api_key,)
    if options.api_key_file is not None:
        try:
            options.api_keys += read_keys(options.api_key_file)
        except ValueError as error:
            raise UsageError(f"--api-key-file: {error}") from error
    options.cors_origins = tuple(options.cors_origin)
    options.served_model_names = tuple(options.served_model_name)
    names = [field.name for field in fields(ServerSettings)]
    flags = {name: flag(name) for name in names}
    flags |= {
        "cors_origins": "--cors-origin",
        "served_model_names": "--served-model-name",
        "api_keys": "the API key",
    }
    with argument_errors(UsageError, flags):
        return ServerSettings(**select(options, *names))


@contextmanager
def _listener(options: argparse.Namespace) -> Iterator[socket.socket]:
    from minilm.server.sockets import listen, listen_at

    if options.uds is None:
        if options.uds_mode is not None:
            raise UsageError("--uds-mode is for the socket of --uds: give that too")
        if options.host == "":  # a socket takes it for every network
            raise UsageError("--host must be a name or an address, not ''")
        host = "127.0.0.1" if options.host is None else options.host
        port = 8000 if options.port is None else options.port
        try:
            listener = listen(host, port)
        except (OSError, UnicodeError) as error:  # a host name that cannot be encoded is a UnicodeError
            reason = getattr(error, "strerror", None) or error
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                reason = f"{reason}: choose another --port, or 0 for a free one"
            raise Failure(f"{host}:{port}: {reason}") from error
        with listener:
            yield listener
        return
    if options.host is not None or options.port is not None:
        raise UsageError("--uds takes the place of --host and --port: give one or the other")
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("--uds needs Unix sockets, which Python does not have here: give --host and --port")
    mode = 0o660 if options.uds_mode is None else options.uds_mode
    with listen_at(options.uds, mode) as listener:
        yield listener


def _worker_count(options: argparse.Namespace) -> int:
    if options.workers > 1 and not hasattr(os, "fork"):
        raise UsageError("--workers must be 1 on this system, which cannot fork: start a server per port")
    return int(options.workers)


def _mode_bits(text: str) -> int:
    if not re.fullmatch("0?[0-7]{3}", text):
        raise argparse.ArgumentTypeError(f"must be three octal digits, such as 660, not {text!r}")
    return int(text, 8)


def _load(kind: type[T], options: argparse.Namespace, name: str | None, threads: int) -> T | None:
    if name is None:
        return None
    source = select(options, "cache_folder", "local_files_only")
    with option_errors("cache_folder"):
        return kind(name, **source, threads=threads)
