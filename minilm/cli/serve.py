"""``minilm serve``: the page and the HTTP service."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields

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
from minilm.errors import import_extra


def add_serve(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm serve``."""
    add, count = parser.add_argument, whole_number
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    port = option_type(int, lambda value: 0 <= value <= 65535, "lie in 0 to 65535")
    add("--port", type=port, default=8000, help="port to listen on (default: %(default)s; 0: any)")
    add("--reranker", metavar="MODEL", help="a cross-encoder for /rerank: a directory or a name on the Hub")
    add("--default-prompt-name", metavar="NAME", help="put this prompt of the checkpoint before every text")
    served = "name of the model in /v1/models and in answers; several are all listed (default: its own)"
    add("--served-model-name", action="extend", nargs="+", default=[], metavar="NAME", help=served)
    add("--strict-model", action="store_true", help="answer 404 to a request that names another model")
    kind = "clients send ids of the model's own vocabulary: wordpiece (default: token ids are refused)"
    add("--token-ids", metavar="KIND", help=kind)
    cut = "cut long texts where a request does not say (default), or not: true or false"
    add("--auto-truncate", nargs="?", const=True, metavar="BOOL", type=true_or_false, help=cut)
    add("--no-auto-truncate", dest="auto_truncate", action="store_false", default=None, help="refuse them")
    add("--threads", type=count, metavar="N", help="number of cores to use (default: all)")
    add("--api-key", metavar="KEY", help="clients must send this key (default, and safer: MINILM_API_KEY)")
    add("--cors-origin", action="append", default=[], metavar="ORIGIN", help="site that may use the service")
    add("--max-body-bytes", type=count, metavar="N", help="longest body of a request (default: 8 MiB)")
    add("--max-texts", type=count, metavar="N", help="most texts per request (default: 2048)")
    add("--max-characters", type=count, metavar="N", help="most characters per request (default: 2,000,000)")
    add("--max-queue-tokens", type=count, metavar="N", help="most tokens that wait (default: 1,000,000)")
    add("--body-seconds", type=real_number, metavar="S", help="time to send a body (default: 30)")
    add_model_options(parser)


def run_serve(options: argparse.Namespace) -> None:
    """Run ``minilm serve``."""
    import_extra("minilm.server.run", extra="serve", feature="serve")
    from minilm.server.run import listen, serve
    from minilm.server.settings import ServerSettings

    if options.api_key is None:
        options.api_key = os.environ.get("MINILM_API_KEY")
    options.cors_origins = tuple(options.cors_origin)
    options.served_model_names = tuple(options.served_model_name)
    names = [field.name for field in fields(ServerSettings)]
    flags = {name: flag(name) for name in names}
    flags |= {
        "cors_origins": "--cors-origin",
        "served_model_names": "--served-model-name",
        "api_key": "the API key",
    }
    with argument_errors(UsageError, flags):
        settings = ServerSettings(**select(options, *names))
    # The port is bound before the model is loaded, so that a port in use is reported at once.
    try:
        listener = listen(options.host, options.port)
    except (OSError, UnicodeError) as error:  # a host name that cannot be encoded is a UnicodeError
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"{options.host}:{options.port}: {reason}") from error
    with listener:
        model = load_model(options)
        reranker = _load_reranker(options, model.threads) if options.reranker is not None else None
        serve(model, settings, listener, say, reranker)


def _load_reranker(options: argparse.Namespace, threads: int) -> CrossEncoder:
    source = select(options, "cache_folder", "local_files_only")
    with option_errors("cache_folder"):
        reranker = CrossEncoder(options.reranker, **source, threads=threads)
    if reranker.num_labels != 1:
        raise Failure(f"--reranker: a reranker has one label; {reranker!r} has {reranker.num_labels}")
    return reranker
