"""Input and output of a command: any locale, and standard streams that may be closed."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import IO

from minilm.cli.errors import Failure
from minilm.errors import TruncationWarning

# C1 controls, line separators, and the marks that change the direction of writing. JSON does not escape them,
# and they steer a terminal just as the control characters of ASCII do.
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

# They log each try to reach a server, with its traceback, before they raise the error that is then said.
_LIBRARIES = ("fsspec", "s3fs", "gcsfs", "adlfs")


def text_argument(argument: str) -> str:
    """Return a text from the command line, decoded as UTF-8 even where the locale is ASCII."""
    try:  # Python turns bytes that the locale cannot decode into lone surrogates
        return argument.encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        return argument  # for the tokenizer, which refuses surrogates


def printable(text: str) -> str:
    """Return the text with spaces for control characters, which could steer the terminal."""
    # A lone surrogate stands for a byte of a file name. It is printed as an escape.
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else " " for c in text)


def put(text: str) -> None:
    """Print one line to stdout, or raise Failure if stdout is closed: then nobody receives the answer."""
    if sys.stdout is None:
        raise Failure("there is nowhere to write to: stdout is closed")
    print(text)


def put_json(value: object) -> None:
    """Print ``value`` as one line of JSON, in ASCII unless stdout is UTF-8."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("_", "-")
    line = json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"), default=str)
    put(_STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", line))


def say(message: str) -> None:
    """Print one line to stderr, if stderr is open."""
    _put_error(f"minilm: {' '.join(message.split())}")


def say_nothing(message: str) -> None:
    """Print nothing, where the user wants errors only."""


def say_traceback(error: BaseException) -> None:
    """Print the traceback of an error to stderr, if stderr is open."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        _put_error(line)


def forget_frames(error: BaseException) -> None:
    """Let go of what an interrupted call held, in silence.

    Python reports an error of a destructor on stderr. An object whose constructor was interrupted, such as a
    bar of tqdm, has often no attributes that its destructor could use.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        chain: BaseException | None = error
        while chain is not None:
            traceback.clear_frames(chain.__traceback__)
            chain = chain.__context__
    finally:
        sys.unraisablehook = hook


def _put_error(line: str) -> None:
    if sys.stderr is not None:  # print would write to stdout instead
        try:
            print(printable(line), file=sys.stderr)
        except OSError:  # a full disk: there is nowhere left to say so
            _discard(sys.stderr)


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether the stream is a terminal."""
    return stream is not None and stream.isatty()


def is_coloured() -> bool:
    """Return whether to print colours: stdout is a terminal and NO_COLOR is not set (https://no-color.org)."""
    is_refused = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return is_terminal(sys.stdout) and not is_refused


@contextmanager
def output_streams() -> Iterator[None]:
    """Write what a command and its libraries say to stdout and stderr, in any locale, and flush it."""
    for name in _LIBRARIES:
        if not (logger := logging.getLogger(name)).handlers:  # Python would print what it logs
            logger.addHandler(logging.NullHandler())
    with _escaped_stdout(), warnings.catch_warnings(), _downloads_on_terminal():
        warnings.simplefilter("always", TruncationWarning)
        # If the disk is really full, an error follows.
        warnings.filterwarnings("ignore", message="Not enough free disk space", category=UserWarning)
        # These tell programmers what will change in another library. A user of the command can do nothing.
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.showwarning = lambda message, *_: say(str(message))
        try:
            yield
        except SystemExit:  # --help and --version have printed, too
            flush_stdout()
            raise
        flush_stdout()


def silence_warnings() -> None:
    """Let :func:`output_streams` pass on neither warnings nor what is being downloaded."""
    warnings.simplefilter("ignore")
    logging.getLogger("minilm.hub").setLevel(logging.WARNING)


def flush_stdout() -> None:
    """Write out what stdout still holds, if it is open."""
    if sys.stdout is not None:
        sys.stdout.flush()


def finish_stdout() -> None:
    """Write out what stdout still holds, or drop it if that fails."""
    try:
        flush_stdout()
    except OSError:  # a full disk, or a reader that has gone
        _discard(sys.stdout)


def _discard(stream: IO[str]) -> None:
    """Send the rest of a stream to the null device, or Python would fail at exit and change the exit code."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _escaped_stdout() -> Iterator[None]:
    r"""Print a character that stdout cannot encode as an escape, such as ``\u4e2d``."""
    stdout = sys.stdout
    if not isinstance(stdout, TextIOWrapper):
        yield
        return
    previous = stdout.errors
    stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(ValueError):  # the caller has closed it
            stdout.reconfigure(errors=previous)


@contextmanager
def _downloads_on_terminal() -> Iterator[None]:
    """Say on a terminal what is being downloaded: 87 MiB, for which the first run waits."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("minilm: %(message)s"))
    logger = logging.getLogger("minilm.hub")
    previous = logger.level
    if is_terminal(sys.stderr):
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(previous)


def hold_standard_streams() -> None:
    """Open the null device in place of closed standard streams, or a file would get their descriptors."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest free descriptor
            pass
        os.close(descriptor)
