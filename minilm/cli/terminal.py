"""Text on its way into and out of a command, whatever the locale, and whichever of its streams are there."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from minilm.cli.errors import Failure


def text_argument(given: str) -> str:
    r"""A text from the command line: UTF-8, even where the locale (C, say) knows only ASCII.

    Python gives bytes that the locale cannot decode as lone surrogates; if together they are UTF-8, that is
    what was meant. If not, they are left for the encoder to refuse.

    Examples
    --------
    >>> text_argument("caf\udcc3\udca9") == "caf\u00e9"
    True
    """
    if given.isascii():
        return given
    try:
        return given.encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        return given


def printable(text: str) -> str:
    r"""The text without control characters, which could steer the terminal.

    Examples
    --------
    >>> printable("red \x1b[31malert")
    'red  [31malert'
    """
    # half a character stands for a byte of a file's name, and is printed as an escape
    return "".join(c if c.isprintable() or "\ud800" <= c <= "\udfff" else " " for c in text)


def put(text: str) -> None:
    """Print a line to stdout.

    Raises
    ------
    Failure
        If stdout is closed: an answer that nobody gets is no success.
    """
    if sys.stdout is None:
        raise Failure("there is nowhere to write to: stdout is closed")
    print(text)


def put_json(value: object) -> None:
    """Print ``value`` as a line of JSON, in ASCII where stdout is not UTF-8.

    JSON escapes the control characters of ASCII; those beyond, and marks that turn the line around, would
    steer the terminal as well.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("_", "-")
    line = json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"), default=str)
    put(_STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", line))


# C1 controls, separators of lines, and what embeds, overrides or isolates a direction of writing
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def say(message: str) -> None:
    """Print one line to stderr, if that is open."""
    if sys.stderr is not None:  # print would take stdout instead
        print(f"minilm: {printable(' '.join(message.split()))}", file=sys.stderr)


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether someone sits before it."""
    return stream is not None and stream.isatty()


@contextmanager
def any_locale() -> Iterator[None]:
    r"""What stdout cannot encode is printed as an escape, ``\u4e2d``, instead of ending the command."""
    before = getattr(sys.stdout, "errors", None)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if before is None or reconfigure is None:
        yield
        return
    reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        with suppress(ValueError):  # whoever called has closed it meanwhile
            reconfigure(errors=before)


def hold_standard_streams() -> None:
    """Put the null device where stdin, stdout or stderr is closed.

    Otherwise the next file to be opened, a model or an output, takes the number, and what a library
    writes to "stderr" goes into it.
    """
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest that is free
            pass
        os.close(descriptor)
