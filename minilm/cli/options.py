"""Options that several commands share, the types of their values, and loading a model by them."""

from __future__ import annotations

import argparse
import re
from shlex import quote
from typing import NoReturn

from minilm._pipeline import Counts
from minilm.cli.errors import UsageError, option_errors
from minilm.cli.terminal import say
from minilm.hub import DEFAULT_MODEL, Checkpoint, find_checkpoint
from minilm.model import MiniLM


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`UsageError` instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise the error, with the command that explains the options."""
        message = re.sub("^argument (.*?): must ", r"\1 must ", message)  # from the types below
        raise UsageError(f"{message} (see {self.prog} --help)")


def positive_whole_number(argument: str) -> int:
    """Return the value of an option that counts something."""
    try:
        value = int(argument)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive whole number, not {quote(argument)}")
    return value


def positive_number(argument: str) -> float:
    """Return the value of an option that measures something."""
    try:
        value = float(argument)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, not {quote(argument)}")
    return value


def add_source_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that say where a checkpoint comes from; return their group."""
    group = parser.add_argument_group("model")
    add = group.add_argument
    model = "a directory or a name on the Hugging Face Hub (default: %(default)s)"
    add("--model", default=DEFAULT_MODEL, help=model)
    add("--revision", help="a branch, tag or commit on the Hub")
    add("--cache-folder", metavar="DIR", help="use this Hugging Face cache, not your own")
    add("--local-files-only", action="store_true", help="never use the network")
    return group


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for loading a model."""
    add = add_source_options(parser).add_argument
    limit = "cut each text after N tokens (default: 256; at most 512)"
    add("--max-seq-length", type=positive_whole_number, metavar="N", help=limit)


def load_model(
    options: argparse.Namespace, *, threads: int | None = None, default_prompt_name: str | None = None
) -> MiniLM:
    """Load the model that the options name."""
    with option_errors("revision", "cache_folder", "max_seq_length", "default_prompt_name"):
        return MiniLM(
            options.model,
            revision=options.revision,
            cache_folder=options.cache_folder,
            local_files_only=options.local_files_only,
            max_seq_length=options.max_seq_length,
            threads=threads,
            default_prompt_name=default_prompt_name,
        )


def locate_model(options: argparse.Namespace, *, local_files_only: bool) -> Checkpoint:
    """Find the checkpoint that the options name, or download it."""
    with option_errors("revision", "cache_folder"):
        return find_checkpoint(
            options.model,
            revision=options.revision,
            cache_folder=options.cache_folder,
            local_files_only=local_files_only,
        )


def say_truncated(model: MiniLM, truncated: int, total: int) -> None:
    """Say how many texts were cut, if any were."""
    if truncated:
        say(model.pipeline.truncation_message(Counts(texts=total, truncated=truncated)))


def published_checksums(checkpoint: Checkpoint) -> str:
    """Say whether the files of a checkpoint have been compared with published checksums."""
    if checkpoint.verified:
        return "every file has its published checksum"
    return "complete; there is no published checksum for a directory of your own"
