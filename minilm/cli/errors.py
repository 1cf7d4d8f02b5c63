"""The errors that end a command: each is one line on stderr and an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager


class Failure(Exception):  # noqa: N818 - the answer of the command, not an error of the program
    """The job failed. The exit code is 1."""


class UsageError(Exception):
    """An option or argument is wrong. The exit code is 2."""


class Interrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C, and the message says what is left. The exit code is 130."""


@contextmanager
def argument_errors(error_type: type[Failure | UsageError], names: Mapping[str, str]) -> Iterator[None]:
    """Raise ``error_type`` for a ValueError or TypeError that begins with the name of an argument.

    ``names`` maps it to the option, which the message then names. Any other error passes: it is a bug.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        name, space, rest = str(error).partition(" ")
        if name not in names:
            raise
        raise error_type(names[name] + space + rest) from error


def option_errors(*names: str) -> AbstractContextManager[None]:
    """Turn the library's complaint about these arguments into a :class:`UsageError` that names the option."""
    return argument_errors(UsageError, {name: flag(name) for name in names})


def flag(name: str) -> str:
    """Return the option for an argument of the library: ``--max-texts`` for ``max_texts``."""
    return "--" + name.replace("_", "-")
