"""Options that several commands share, the types of their values, and loading a model by them."""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable
from contextlib import suppress
from shlex import quote
from typing import Any, NoReturn, TypeVar

from minilm._pipeline import Counts
from minilm.cli.errors import UsageError, option_errors
from minilm.cli.terminal import say
from minilm.hub import DEFAULT_MODEL, Checkpoint, find_checkpoint
from minilm.model import MiniLM


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`UsageError` instead of printing the usage."""

    _is_inside = False  # of its own reading in two steps

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as argparse's
        """Take options before, between and behind the other arguments.

        An unknown option is refused here, where it is known which command's help has the options.
        """
        if self._is_inside or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._is_inside = "--" not in (args or ())  # argparse forgets between its steps where that stood
        try:
            parse = super().parse_known_intermixed_args if self._is_inside else super().parse_known_args
            options, unknown = parse(args, namespace)
        finally:
            self._is_inside = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """Raise the error, with the command that explains the options."""
        message = re.sub("^argument (.*?): must ", r"\1 must ", message)  # from the types below
        raise UsageError(f"{message} (see {self.prog} --help)")


SOURCE = ("revision", "cache_folder", "local_files_only")
Number = TypeVar("Number", int, float)


def option_type(
    convert: Callable[[str], Number], accept: Callable[[Number], bool], requirement: str
) -> Callable[[str], Number]:
    """Return a function from the argument of an option to its value, for argparse's ``type``."""

    def value_of(argument: str) -> Number:
        with suppress(ValueError):
            if accept(value := convert(argument)):
                return value
        raise argparse.ArgumentTypeError(f"must {requirement}, not {quote(argument)}")

    return value_of


whole_number = option_type(int, lambda value: value >= 1, "be a positive whole number")


def true_or_false(argument: str) -> bool:
    """Return the value of an option that is true or false."""
    if argument not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, not {quote(argument)}")
    return argument == "true"


real_number = option_type(float, lambda value: 0 < value < float("inf"), "be a positive number")


def kept_columns(argument: str) -> tuple[str, ...]:
    """Return the names that --keep lists, as a line of CSV does, since a name may hold a comma."""
    [names] = csv.reader([argument.replace("\n", " ")], skipinitialspace=True)
    if not all(names) or not names:
        raise UsageError(f"--keep has an empty name: {argument!r}")
    return tuple(dict.fromkeys(names))


def add_source_options(parser: argparse.ArgumentParser, *, flag: str = "--model") -> argparse._ArgumentGroup:
    """Add the options that say where a checkpoint comes from; return their group. ``flag`` names it."""
    group = parser.add_argument_group("model")
    add = group.add_argument
    model = "a directory or a name on the Hugging Face Hub (default: %(default)s)"
    add(flag, dest="model", metavar="MODEL", default=DEFAULT_MODEL, help=model)
    add("--revision", help="a branch, tag or commit on the Hub")
    add("--cache-folder", metavar="DIR", help="use this Hugging Face cache, not your own")
    add("--local-files-only", action="store_true", help="never use the network")
    return group


def add_model_options(parser: argparse.ArgumentParser, *, flag: str = "--model") -> None:
    """Add the options for loading a model, which ``flag`` names."""
    add = add_source_options(parser, flag=flag).add_argument
    limit = "cut each text after N tokens (default: 256; at most 512)"
    add("--max-seq-length", type=whole_number, metavar="N", help=limit)


def select(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the values of these options, without those that are not set."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def load_model(options: argparse.Namespace) -> MiniLM:
    """Load the model that the options name."""
    names = (*SOURCE, "max_seq_length", "threads", "default_prompt_name")
    with option_errors(*names):
        return MiniLM(options.model, **select(options, *names))


def locate_model(options: argparse.Namespace) -> Checkpoint:
    """Find the checkpoint that the options name, or download it."""
    with option_errors(*SOURCE):
        return find_checkpoint(options.model, **select(options, *SOURCE))


def say_truncated(model: MiniLM, truncated: int, total: int, note: Callable[[str], None] = say) -> None:
    """Say how many texts were cut, if any were."""
    if truncated:
        note(model.pipeline.truncation_message(Counts(texts=total, truncated=truncated)))


def published_checksums(checkpoint: Checkpoint) -> str:
    """Say whether the files of a checkpoint have been compared with published checksums."""
    if checkpoint.verified:
        return "every file has its published checksum"
    return "complete; there is no published checksum for a directory of your own"
