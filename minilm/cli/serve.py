"""``minilm serve``: the page and the HTTP service."""

from __future__ import annotations

import argparse
import os
import socket
from shlex import quote

from minilm.cli.errors import Failure, UsageError, argument_errors, flag, option_errors
from minilm.cli.options import add_model_options, load_model, positive_number, positive_whole_number
from minilm.cli.terminal import say
from minilm.cross_encoder import CrossEncoder
from minilm.errors import import_extra

# The fields of the server's settings that have an option of the same name.
LIMITS = ("max_body_bytes", "max_texts", "max_characters", "max_queue_tokens", "body_seconds")


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm serve``."""
    add, count = parser.add_argument, positive_whole_number
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    add("--port", type=port_number, default=8000, help="port to listen on (default: %(default)s; 0: any)")
    add("--reranker", metavar="MODEL", help="a cross-encoder for /rerank: a directory or a name on the Hub")
    add("--default-prompt-name", metavar="NAME", help="put this prompt of the checkpoint before every text")
    add("--threads", type=count, metavar="N", help="number of cores to use (default: all)")
    add("--api-key", metavar="KEY", help="clients must send this key (default, and safer: MINILM_API_KEY)")
    add("--cors-origin", action="append", default=[], metavar="ORIGIN", help="site that may use the service")
    add("--max-body-bytes", type=count, metavar="N", help="longest body of a request (default: 8 MiB)")
    add("--max-texts", type=count, metavar="N", help="most texts per request (default: 2048)")
    add("--max-characters", type=count, metavar="N", help="most characters per request (default: 2,000,000)")
    add("--max-queue-tokens", type=count, metavar="N", help="most tokens that wait (default: 1,000,000)")
    add("--body-seconds", type=positive_number, metavar="S", help="time to send a body (default: 30)")
    add_model_options(parser)


def run_serve(options: argparse.Namespace) -> None:
    """Run ``minilm serve``."""
    import_extra("minilm.server.run", extra="serve", feature="serve")
    from minilm.server.limits import ServerSettings
    from minilm.server.run import serve

    limits = {name: getattr(options, name) for name in LIMITS}
    names = {**{name: flag(name) for name in limits}, "cors_origins": "--cors-origin"}
    api_key = options.api_key if options.api_key is not None else os.environ.get("MINILM_API_KEY")
    with argument_errors(UsageError, {**names, "api_key": "the API key"}):
        settings = ServerSettings(
            api_key=api_key,
            cors_origins=tuple(options.cors_origin),
            **{name: value for name, value in limits.items() if value is not None},
        )
    # The port is bound before the model is loaded, so that a port in use is reported at once.
    with _listen(options.host, options.port) as listener:
        model = load_model(options, threads=options.threads, default_prompt_name=options.default_prompt_name)
        reranker = _load_reranker(options, model.threads) if options.reranker is not None else None
        serve(model, settings, listener, say, reranker)


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
