"""The options of a command by environment variables: ``MINILM_MAX_TEXTS`` for ``--max-texts``."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minilm.cli.errors import Failure, UsageError

_PREFIX = "MINILM_"
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class _Replaced(list[str]):
    """A list from a variable: an option that adds to its default begins with an empty list instead."""

    def __copy__(self) -> list[str]:  # argparse copies a default before it adds to it
        return []


def add_environment(parser: argparse.ArgumentParser) -> None:
    """Let a variable stand for each option of the parser; an option on the command line wins.

    Raises
    ------
    UsageError
        If a variable has a value that its option does not take, or the name of one is misspelt; the message
        begins with the variable.
    """
    given: dict[str, tuple[str, str, Any]] = {}
    variables: set[str] = set()
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of them
        if action.default is argparse.SUPPRESS:  # --help
            continue
        option = action.option_strings[-1]
        variable = _PREFIX + option.strip("-").upper().replace("-", "_")
        variables.add(variable)
        if (text := os.environ.get(variable)) is not None:
            if action.dest in given:
                raise UsageError(f"{variable} and {given[action.dest][1]} are the same option: set one")
            value = _value(action, variable, text)
            parser.set_defaults(**{action.dest: value})
            given[action.dest] = (option, variable, value)
    _refuse_misspelt(variables)
    parser.set_defaults(environment=given)
    parser.epilog = (
        "Each option can also be given by an environment variable, such as MINILM_MAX_TEXTS for --max-texts: "
        "a list has commas or spaces between its parts, and an option without a value is 1 or 0. "
        "The command line wins."
    )


@contextmanager
def environment_errors(options: argparse.Namespace) -> Iterator[None]:
    """Let an error that begins with an option name the variable instead, if the value comes from there."""
    try:
        yield
    except (UsageError, Failure) as error:
        for name, (option, variable, value) in options.environment.items():
            rest = str(error).removeprefix(option)
            if getattr(options, name) is value and rest != str(error) and rest[:1] in (" ", ":"):
                raise type(error)(variable + rest) from error
        raise


def _refuse_misspelt(variables: set[str]) -> None:
    """Refuse a variable whose name is almost that of an option; others are somebody else's."""
    for variable in os.environ:
        if variable.startswith(_PREFIX) and variable not in variables:
            # with the prefix, so that one wrong letter of a short name, such as PROT for PORT, is one of many
            for close in difflib.get_close_matches(variable, variables, n=1, cutoff=0.9):
                raise UsageError(f"{variable} stands for no option: did you mean {close}?")


def _value(action: argparse.Action, variable: str, text: str) -> Any:  # noqa: ANN401 - the type of the option
    if not text.strip():
        raise UsageError(f"{variable} is empty: unset it, or give it a value")
    if isinstance(action.const, bool):  # an option without a value
        if (boolean := _BOOLEANS.get(text.strip().lower())) is None:
            raise UsageError(f"{variable} must be 1 or 0, true or false, yes or no, on or off, not {text!r}")
        return boolean == action.const  # that of --no-something is False
    if isinstance(action.default, list):
        return _Replaced(
            _convert(action, variable, item) for item in re.split(r"[,\s]+", text.strip(", \t\n"))
        )
    return _convert(action, variable, text)


def _convert(action: argparse.Action, variable: str, text: str) -> Any:  # noqa: ANN401 - the type of the option
    if re.match(r"tcp://[^/]*:\d+$", text):  # what Kubernetes sets for a service that is called minilm
        remedy = "set enableServiceLinks: false in the pod, or call the service by another name"
        raise UsageError(f"{variable} must not be the address of a Kubernetes service, {text!r}: {remedy}")
    try:
        value = action.type(text) if callable(action.type) else text
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{variable} {error}") from None
    if action.choices is not None and value not in action.choices:
        raise UsageError(f"{variable} must be one of {', '.join(action.choices)}, not {text!r}")
    return value
