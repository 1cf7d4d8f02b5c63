"""The ``minilm`` command.

Exit codes: 0, or 1 for a job that failed, or 2 for wrong usage, with one line on stderr; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, NoReturn

import numpy as np

from minilm import __version__
from minilm.cli import corpus as cli_corpus
from minilm.cli.errors import Failure, Usage
from minilm.cli.explain import explanation_text
from minilm.cli.terminal import (
    any_locale,
    hold_standard_streams,
    is_terminal,
    put,
    put_json,
    say,
    text_argument,
)
from minilm.cross_encoder import CrossEncoder
from minilm.errors import CheckpointError, CheckpointNotFoundError, MiniLMError, TruncationWarning
from minilm.fast.blas import blas_info, kernel_advice
from minilm.fast.cores import available_cores
from minilm.hub import (
    DEFAULT_MODEL,
    Checkpoint,
    copy_checkpoint,
    find_checkpoint,
    is_copy_of_default,
    is_repository_name,
    sha256_of,
)
from minilm.model import MiniLM
from minilm.similarity import dot_score

BLANK_TEXT = "Please enter text to compare."  # the words of the page this command comes from


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print the whole usage first
        raise Usage(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code.

    Examples
    --------
    >>> main(["compare", "A girl is styling her hair.", "A girl is brushing her hair."])
    Score: 0.8052
    0
    """
    hold_standard_streams()
    try:
        options = _parser().parse_args(arguments)
        with warnings.catch_warnings(), any_locale():
            warnings.simplefilter("always", TruncationWarning)
            # an error follows, if it is true
            warnings.filterwarnings("ignore", message="Not enough free disk space", category=UserWarning)
            # what other libraries will do some day is for those who program with them
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.showwarning = lambda message, *_: say(str(message))
            _show_downloads()
            options.run(options)
            if sys.stdout is not None:
                sys.stdout.flush()
    except Usage as error:
        say(str(error))
        return 2
    except KeyboardInterrupt as interrupt:
        say(str(interrupt) or "interrupted")
        return 130
    except BrokenPipeError:
        # whoever read the output has gone; keep Python from complaining again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Failure, MiniLMError, ValueError) as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except MemoryError:
        say("out of memory: try a smaller --batch-size or fewer texts at once")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="minilm", description="Sentence embeddings by all-MiniLM-L6-v2, in numpy.")
    parser.add_argument("--version", action="version", version=f"minilm {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    source = _Parser(add_help=False)
    source.add_argument(
        "--model", default=DEFAULT_MODEL, help="a directory or a name on the Hugging Face Hub (%(default)s)"
    )
    source.add_argument("--revision", help="branch, tag or commit on the Hub")
    source.add_argument("--cache-dir", help="a Hugging Face cache other than your own")
    source.add_argument("--local-files-only", action="store_true", help="never go to the network")
    loading = _Parser(add_help=False, parents=[source])
    loading.add_argument(
        "--max-seq-length", type=int, metavar="N", help="tokens that are kept of a text (256, at most 512)"
    )

    compare = commands.add_parser("compare", parents=[loading], help="the similarity of two texts")
    compare.add_argument("text_a", type=text_argument, metavar="TEXT_A")
    compare.add_argument("text_b", type=text_argument, metavar="TEXT_B")
    compare.add_argument("--json", action="store_true", help="all the digits, and the number of tokens")
    compare.add_argument(
        "--explain", action="store_true", help="what each word adds to the score, in colour on a terminal"
    )
    compare.set_defaults(run=_compare)

    encode = commands.add_parser("encode", parents=[loading], help="a vector for each text of a corpus")
    cli_corpus.add_encode(encode)
    encode.set_defaults(run=lambda options: cli_corpus.encode(options, _load, say))

    search = commands.add_parser("search", parents=[loading], help="the nearest of what encode wrote")
    cli_corpus.add_search(search)
    search.set_defaults(run=lambda options: cli_corpus.search(options, _load))

    download = commands.add_parser("download", parents=[source], help="fetch a model and check its files")
    download.add_argument(
        "--local-dir", metavar="DIR", help="put a copy here, for a machine without a network"
    )
    download.set_defaults(run=_download)

    serve = commands.add_parser("serve", parents=[loading], help="the page and the HTTP service")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (%(default)s: this machine only)"
    )
    serve.add_argument("--port", type=int, default=8000, help="port (%(default)s; 0: any that is free)")
    serve.add_argument(
        "--reranker", metavar="MODEL", help="a cross-encoder, a directory or a name on the Hub, for /rerank"
    )
    serve.add_argument(
        "--default-prompt-name", metavar="NAME", help="the checkpoint's prompt to put before every text"
    )
    serve.add_argument("--threads", type=int, metavar="N", help="cores to use (all)")
    serve.add_argument(
        "--api-key",
        metavar="KEY",
        help="ask clients for it (or MINILM_API_KEY, which other users cannot see)",
    )
    serve.add_argument(
        "--cors-origin", action="append", default=[], metavar="ORIGIN", help="a site whose pages may ask"
    )
    for name, what in (
        ("max_body_bytes", "longest body of a request"),
        ("max_texts", "most texts in a request"),
        ("max_characters", "most characters in a request"),
        ("max_queue_tokens", "most tokens that wait"),
    ):
        serve.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=what)
    serve.add_argument("--body-seconds", type=float, metavar="S", help="how long a body may take to arrive")
    serve.set_defaults(run=_serve)

    info = commands.add_parser("info", parents=[source], help="versions, weights, and what numpy runs on")
    info.add_argument("--json", action="store_true")
    info.set_defaults(run=_info)
    return parser


def _compare(options: argparse.Namespace) -> None:
    texts = [options.text_a, options.text_b]
    if not all(text.strip() for text in texts):
        raise Usage(BLANK_TEXT)
    model = _load(options)
    # the page normalized whatever the model, and multiplied float32 vectors in double precision; so do we
    embeddings = model.encode(texts, normalize_embeddings=True)  # (2, E)
    score = dot_score(*embeddings.astype(np.float64)).item()
    explanation = model.explain(*texts) if options.explain else None
    if options.json:
        tokens = model.tokenize(texts)["attention_mask"].sum(axis=1).tolist()
        report = {"score": score, "tokens": tokens, "max_seq_length": model.max_seq_length}
        if explanation:
            report["explanation"] = explanation.as_dict()
        put_json(report)
        return
    put(f"Score: {score:.4f}")
    if explanation:
        put(explanation_text(explanation, in_colour=_in_colour()))


def _in_colour() -> bool:
    """Whether stdout is a terminal whose user has not asked for no colour (https://no-color.org)."""
    return is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _download(options: argparse.Namespace) -> None:
    if options.local_dir == "":
        raise Usage("--local-dir is empty: give the directory that the copy is to be in")
    checkpoint = _find(options, options.local_files_only)
    directory = checkpoint.directory
    if options.local_dir:
        directory = copy_checkpoint(checkpoint, options.local_dir)
    put(f"{options.model}: {_verdict(checkpoint)}, in {directory}")


def _info(options: argparse.Namespace) -> None:
    packages = ("numpy", "safetensors", "tokenizers", "huggingface-hub")
    report: dict[str, Any] = {
        "minilm": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
        "blas": str(blas_info()),
        "advice": kernel_advice() or "none: the BLAS kernel fits the CPU",
        "cores": available_cores(),
        "model": options.model,
    }
    try:
        checkpoint = _find(options, local_files_only=True)
    except CheckpointNotFoundError:
        if not is_repository_name(options.model):  # nothing could fetch it
            raise
        report["weights"] = "not on this machine; `minilm download` fetches them"
    else:
        report["weights"] = f"{checkpoint.source}: {checkpoint.directory}"
        report["revision"] = checkpoint.revision or "none: a directory given explicitly"
        report["sha256"] = sha256_of(checkpoint.directory / "model.safetensors")
        report["checked"] = _verdict(checkpoint) if checkpoint.verified else _inspect(checkpoint)
    if options.json:
        put_json(report)
    else:
        for key, value in report.items():
            put(f"{key:<16} {value}")


def _serve(options: argparse.Namespace) -> None:
    try:
        from minilm.server.limits import Settings
        from minilm.server.run import listen, serve
    except ModuleNotFoundError as error:
        needed = 'pip install "minilm[serve]", or ".[serve]" in a checkout'
        raise Failure(f"serve needs {error.name}, which is not installed: {needed}") from None
    limits = ("max_body_bytes", "max_texts", "max_characters", "max_queue_tokens", "body_seconds")
    given = {name: getattr(options, name) for name in limits if getattr(options, name) is not None}
    for name, value in {**given, "threads": options.threads}.items():
        if value is not None and not 0 < value < float("inf"):
            raise Usage(f"--{name.replace('_', '-')} must be positive, not {value}")
    if not 0 <= options.port <= 65535:
        raise Usage(f"--port must lie in 0 to 65535, not {options.port}")
    key = options.api_key if options.api_key is not None else os.environ.get("MINILM_API_KEY")
    if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
        raise Usage("the API key must be printable ASCII without spaces, and not empty")
    for origin in options.cors_origin:
        # a browser sends it like this, or "null" for what has no site of its own, which anybody can have
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+", origin):
            raise Usage(f"--cors-origin must be like https://example.org, or *, not {origin!r}")
    settings = Settings(api_key=key, cors_origins=tuple(options.cors_origin), **given)
    try:
        with listen(
            options.host, options.port
        ) as listener:  # before the model: a port in use is told at once
            model = _load(options)
            if options.threads:
                model.threads = options.threads
            try:
                model.default_prompt_name = options.default_prompt_name or model.default_prompt_name
            except ValueError as error:
                raise Usage(f"--default-prompt-name: {error}") from None
            reranker = None
            if options.reranker:
                reranker = CrossEncoder(
                    options.reranker,
                    cache_folder=options.cache_dir,
                    local_files_only=options.local_files_only,
                    threads=model.threads,
                )
            serve(model, settings, listener, say, reranker)
    except OSError as error:
        raise Failure(f"{options.host}:{options.port}: {error.strerror or error}") from None


def _load(options: argparse.Namespace) -> MiniLM:
    model = MiniLM.from_pretrained(
        options.model,
        revision=options.revision,
        cache_dir=options.cache_dir,
        local_files_only=options.local_files_only,
    )
    if options.max_seq_length is not None:
        try:
            model.max_seq_length = options.max_seq_length
        except ValueError as error:
            raise Usage(f"--max-seq-length: {error}") from None
    return model


def _find(options: argparse.Namespace, local_files_only: bool) -> Checkpoint:
    return find_checkpoint(
        options.model,
        revision=options.revision,
        cache_dir=options.cache_dir,
        local_files_only=local_files_only,
    )


def _verdict(checkpoint: Checkpoint) -> str:
    if checkpoint.verified:
        return "every file has its published checksum"
    return "complete; there is no published checksum for a directory of your own"


def _inspect(checkpoint: Checkpoint) -> str:
    """A verdict on a directory of one's own, which is read to the end for it; raises if it is damaged."""
    if is_copy_of_default(checkpoint.directory):
        return f"every file has the checksum published for {DEFAULT_MODEL}"
    try:
        MiniLM.from_pretrained(checkpoint.directory)
    except CheckpointError:
        with suppress(CheckpointError):
            CrossEncoder(checkpoint.directory)
            return "it can be read, as a cross-encoder; there is no published checksum for it"
        raise
    return "it can be read; there is no published checksum for it"


def _show_downloads() -> None:
    """On a terminal, say what is being fetched: it is 87 MiB, and the first run waits for it."""
    if is_terminal(sys.stderr):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("minilm: %(message)s"))
        logger = logging.getLogger("minilm.hub")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
