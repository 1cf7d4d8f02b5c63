"""The errors that end a command, and what they become: an exit code and one line on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from minilm.errors import MiniLMError, described


class Failure(Exception):  # noqa: N818 - the answer of the command, not an error of the program
    """The job failed."""


class UsageError(Exception):
    """An option or argument is wrong."""


class Interrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C, and the message says what is left."""


def exit_code(error: BaseException) -> tuple[int, str]:
    """Return the exit code for an error that ended a command, and the line to say."""
    if isinstance(error, UsageError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, str(error) or "interrupted"
    if isinstance(error, (Failure, MiniLMError)):
        return 1, str(error)
    if isinstance(error, MemoryError):
        return 1, "out of memory: try a smaller --batch-size or fewer texts at once"
    if isinstance(error, OSError) and error.errno is not None:
        return 1, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return 70, (  # EX_SOFTWARE in sysexits.h
        f"this is a bug in minilm: {described(error)}; please report it with the output of `minilm info` "
        "(MINILM_DEBUG=1 shows the traceback)"
    )


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
