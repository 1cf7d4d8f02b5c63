"""``minilm serve``: the page and the HTTP service."""

from __future__ import annotations

import argparse
import os
import re
import socket
from shlex import quote

from minilm.cli.errors import Failure, Usage, argument_errors, flag, option_errors
from minilm.cli.options import add_model_options, load_model, positive_number, positive_whole_number
from minilm.cli.terminal import say
from minilm.cross_encoder import CrossEncoder
from minilm.errors import import_extra

# The fields of the server's settings that have an option of the same name.
_LIMITS = {
    "max_body_bytes": "refuse a request with a longer body (default: 8 MiB)",
    "max_texts": "refuse a request with more texts (default: 2048)",
    "max_characters": "refuse a request with more characters (default: 2,000,000)",
    "max_queue_tokens": "refuse requests while more tokens than this wait (default: 1,000,000)",
}


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm serve``."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)"
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=8000,
        help="port to listen on (default: %(default)s); 0 is any free port",
    )
    parser.add_argument(
        "--reranker", metavar="MODEL", help="a cross-encoder for /rerank: a directory or a name on the Hub"
    )
    parser.add_argument(
        "--default-prompt-name", metavar="NAME", help="put this prompt of the checkpoint before every text"
    )
    parser.add_argument(
        "--threads", type=positive_whole_number, metavar="N", help="number of cores to use (default: all)"
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="clients must send this key; other users cannot see it in the variable MINILM_API_KEY",
    )
    parser.add_argument(
        "--cors-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="pages of this site may use the service; repeat it for more sites",
    )
    for name, purpose in _LIMITS.items():
        parser.add_argument(flag(name), type=positive_whole_number, metavar="N", help=purpose)
    parser.add_argument(
        "--body-seconds",
        type=positive_number,
        metavar="S",
        help="seconds that a client may take to send the body of a request (default: 30)",
    )
    add_model_options(parser)


def run_serve(options: argparse.Namespace) -> None:
    """Run ``minilm serve``."""
    import_extra("minilm.server.run", extra="serve", feature="serve")
    from minilm.server.limits import Settings
    from minilm.server.run import serve

    limits = {name: getattr(options, name) for name in (*_LIMITS, "body_seconds")}
    names = {**{name: flag(name) for name in limits}, "cors_origins": "--cors-origin"}
    api_key = options.api_key if options.api_key is not None else os.environ.get("MINILM_API_KEY")
    _check_access(api_key, options.cors_origin)
    with argument_errors(Usage, {**names, "api_key": "the API key"}):
        settings = Settings(
            api_key=api_key,
            cors_origins=tuple(options.cors_origin),
            **{name: value for name, value in limits.items() if value is not None},
        )
    # The port is bound before the model is loaded, so that a port in use is reported at once.
    with _listen(options.host, options.port) as listener:
        model = load_model(options, threads=options.threads, default_prompt_name=options.default_prompt_name)
        reranker = _load_reranker(options, model.threads) if options.reranker is not None else None
        serve(model, settings, listener, say, reranker)


def _check_access(key: str | None, origins: list[str]) -> None:
    if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
        raise Usage("the API key must be printable ASCII without spaces, and not empty")
    for origin in origins:
        # a browser sends it like this, or "null" for what has no site of its own, which anybody can have
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+", origin):
            raise Usage(f"--cors-origin must be like https://example.org, or *, not {origin!r}")


def _listen(host: str, port: int) -> socket.socket:
    from minilm.server.run import listen

    try:
        return listen(host, port)
    except (OSError, UnicodeError) as error:  # a host name that cannot be encoded is a UnicodeError
        raise Failure(f"{host}:{port}: {getattr(error, 'strerror', None) or error}") from error


def _load_reranker(options: argparse.Namespace, threads: int) -> CrossEncoder:
    with option_errors("cache_folder"):
        reranker = CrossEncoder(
            options.reranker,
            cache_folder=options.cache_folder,
            local_files_only=options.local_files_only,
            threads=threads,
        )
    if reranker.num_labels != 1:
        raise Failure(f"--reranker: a reranker has one label; {reranker!r} has {reranker.num_labels}")
    return reranker


def port_number(argument: str) -> int:
    """Return the value of ``--port``."""
    try:
        port = int(argument)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"must lie in 0 to 65535, not {quote(argument)}")
    return port
