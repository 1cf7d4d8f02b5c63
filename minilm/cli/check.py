"""``minilm check``: whether another deployment is this model, and what differs."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from minilm.check.answers import ask
from minilm.check.findings import Check, Judge
from minilm.check.report import as_json, as_text
from minilm.check.targets.command import CommandTarget, words_of
from minilm.check.targets.function import open_function
from minilm.check.targets.http import HttpTarget, is_http
from minilm.check.targets.lines import FileTarget, write_texts
from minilm.check.targets.target import Target
from minilm.check.texts import chosen_texts
from minilm.check.variants import Variants
from minilm.cli.errors import Failure, UsageError, argument_errors, flag, option_errors
from minilm.cli.options import add_model_options, load_model, real_number, select
from minilm.cli.terminal import printable, put, put_json, say
from minilm.model import MiniLM

TIMEOUT = 60.0  # seconds
TARGETS = "an http(s) address, module:function, a command, or a file of vectors (.npy or .jsonl)"

FOR_HTTP = ("service_model", "api_key", "header")

_FUNCTION = re.compile(r"[^\W\d]\w*(\.\w+)*:[^\W\d]\w*(\.\w+)*")


def header(argument: str) -> tuple[str, str]:
    """Return the name and the value of a header, for argparse's ``type``."""
    name, colon, value = argument.partition(":")
    if (
        not colon
        or not re.fullmatch(r"[!#$%&'*+.^`|~\w-]+", name, re.ASCII)
        or not value.strip().isprintable()
    ):
        raise argparse.ArgumentTypeError(f'must be "Name: value", not {argument!r}')
    return name, value.strip()


def key(argument: str) -> str:
    """Return a key that can be sent in a header, for argparse's ``type``; no message shows it."""
    if not argument or not argument.isascii() or not argument.isprintable():
        raise argparse.ArgumentTypeError("must be printable ASCII")
    return argument


def refuse(options: argparse.Namespace, what: str, *names: str) -> None:
    """Raise a UsageError for an option that has no meaning together with ``what``."""
    for name in names:
        if getattr(options, name):
            raise UsageError(f"{flag(name.removeprefix('service_'))} has no meaning for {what}")


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm check``."""
    add = parser.add_argument
    add("target", nargs="?", metavar="TARGET", help=TARGETS)
    add("--emit", metavar="FILE", help="write the texts as JSON lines, to make a file of vectors of them")
    add("--quick", action="store_true", help="40 texts in place of 200")
    add("--json", action="store_true", help="print one JSON object")
    limit = "exit with 1 if a component differs by more, or a text is refused"
    add("--fail-above", type=real_number, metavar="ERROR", help=limit)
    add("--against", metavar="CHECKPOINT", help="another checkpoint that may explain the vectors")
    add("--model", dest="service_model", metavar="NAME", help="the model to ask the service for")
    add("--api-key", type=key, metavar="KEY", help="sent as Authorization: Bearer KEY")
    add(
        "--header",
        action="append",
        type=header,
        default=[],
        metavar='"NAME: VALUE"',
        help="sent with every request",
    )
    add(
        "--timeout",
        type=real_number,
        metavar="S",
        help=f"time for an answer (default: {TIMEOUT:g})",
    )
    add_model_options(parser, flag="--checkpoint")


def run_check(options: argparse.Namespace) -> None:
    """Run ``minilm check``."""
    classes = chosen_texts(quick=options.quick)
    texts = [text for members in classes.values() for text in members]
    if options.emit is not None:
        if options.target is not None:
            raise UsageError("--emit takes no TARGET: check the file of vectors afterwards")
        of_a_model = ("against", "max_seq_length", "revision", "cache_folder")
        refuse(options, "--emit", "json", "fail_above", "timeout", *of_a_model, *FOR_HTTP)
        write_texts(Path(options.emit), texts)
        put(f"{options.emit}: {len(texts)} texts; make one vector per line, in this order, and check them")
        return
    if options.target is None:
        raise UsageError(f"TARGET is missing: {TARGETS}")
    target = open_target(options, texts)
    model = load_model(options)
    against = None
    if options.against is not None:
        with option_errors("cache_folder"):
            source = select(options, "cache_folder", "local_files_only")
            against = Variants(MiniLM(options.against, threads=model.threads, **source))
    variants = Variants(model, against)
    answers = ask(target, classes, lambda text: len(model.pipeline.tokenizer.texts([text]).input_ids[0]))
    is_against = against is not None and against.width == answers.width != variants.width
    if answers.width > variants.width or is_against:
        hint = f" but perhaps {options.against}: name it with --checkpoint"
        raise Failure(
            f"{target.name}: asked for vectors of {variants.width} components, got {answers.width}: "
            f"not this model{hint * is_against}"
        )
    _report(Judge(variants, answers).run(), target.name, options)


def _report(check: Check, target: str, options: argparse.Namespace) -> None:
    if options.json:
        put_json(as_json(check, target))
    else:
        for line in as_text(check, target).splitlines():
            put(printable(line))
    limit = options.fail_above
    if limit is not None and check.largest > limit:
        raise Failure(f"{target}: the largest error is {check.largest:.1e}, above --fail-above {limit:g}")
    if limit is not None and check.refused:
        raise Failure(f"{target}: texts that were refused, of unknown error: {check.refused}")


def open_target(options: argparse.Namespace, texts: list[str]) -> Target:
    """Return the target that an argument names."""
    name = options.target
    timeout = options.timeout or TIMEOUT
    if is_http(name):
        sent = [header_name.lower() for header_name, _ in options.header]
        sent += ["authorization"] * (options.api_key is not None)
        if len({*sent}) < len(sent):
            raise UsageError("--header and --api-key must give each header once")
        with argument_errors(UsageError, {"TARGET": "TARGET"}):
            return HttpTarget(
                name,
                model=options.service_model,
                api_key=options.api_key,
                headers=options.header,
                timeout=timeout,
                say=say,
            )
    refuse(options, f"{name!r}, which is no HTTP service", *FOR_HTTP)
    if Path(name).suffix in (".npy", ".jsonl", ".json", ".ndjson"):
        if not Path(name).is_file():
            raise Failure(f"{name}: No such file")
        refuse(options, "a file", "timeout")
        return FileTarget(Path(name), texts)
    if _FUNCTION.fullmatch(name):
        refuse(options, "a function", "timeout")
        return open_function(name)
    try:
        words = words_of(name)
    except ValueError as error:
        raise UsageError(f"TARGET {name!r} is no command: {error}") from error
    if words and shutil.which(words[0]):
        return CommandTarget(name, timeout)
    raise UsageError(f"TARGET must be {TARGETS}, not {name!r}")
