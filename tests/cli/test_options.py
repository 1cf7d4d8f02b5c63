"""Options that commands share: the types of their values, and the model they load."""

from __future__ import annotations

import argparse

import pytest

from minilm import MiniLM
from minilm.cli.errors import UsageError
from minilm.cli.options import (
    Parser,
    add_model_options,
    load_model,
    locate_model,
    real_number,
    say_truncated,
    whole_number,
)
from tests.checkpoints import MakeCheckpoint


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [(whole_number, "12", 12), (real_number, "0.5", 0.5), (real_number, "3", 3.0)],
)
def test_a_value_is_a_number(kind: type, argument: str, value: float) -> None:
    assert kind(argument) == value


@pytest.mark.parametrize("argument", ["0", "-1", "", "x", "1.5", "nan", "inf", "1e400"])
def test_a_value_that_is_not_positive_is_refused_by_name(argument: str) -> None:
    parser = Parser(prog="minilm")
    parser.add_argument("--count", type=whole_number)
    parser.add_argument("--size", type=real_number)
    with pytest.raises(
        UsageError, match=r"^--count must be a positive whole number, not .*see minilm --help\)$"
    ):
        parser.parse_args([f"--count={argument}"])
    if argument != "1.5":
        with pytest.raises(UsageError, match=r"^--size must be a positive number, not "):
            parser.parse_args([f"--size={argument}"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "-k", "1", "b"], ("a", ["b"], 1)),
        (["-k", "1", "a", "b"], ("a", ["b"], 1)),
        (["a", "b", "-k", "1", "c", "d"], ("a", ["b", "c", "d"], 1)),
        (["a", "-5", "-k", "1"], ("a", ["-5"], 1)),
        (["a", "-k", "1"], ("a", [], 1)),
        (["a", "--", "-k", "1"], ("a", ["-k", "1"], None)),
        (["-k", "1", "--", "-a", "--b"], ("-a", ["--b"], 1)),
    ],
)
def test_options_may_stand_between_other_arguments(
    arguments: list[str], expected: tuple[str, list[str], int | None]
) -> None:
    parser = Parser(prog="minilm")
    command = parser.add_subparsers(parser_class=Parser).add_parser("search")
    command.add_argument("index")
    command.add_argument("query", nargs="*")
    command.add_argument("-k", type=int)
    options = parser.parse_args(["search", *arguments])
    assert (options.index, options.query, options.k) == expected
    with pytest.raises(UsageError, match=r"unrecognized arguments: --other.*see minilm search --help\)$"):
        parser.parse_args(["search", "a", "--other", "b"])


def options_of(*arguments: str) -> argparse.Namespace:
    parser = Parser()
    add_model_options(parser)
    return parser.parse_args(arguments)


def test_a_model_is_loaded_by_its_options(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    options = options_of("--model", str(directory), "--max-seq-length", "7")
    options.threads = 1
    model = load_model(options)
    assert (model.max_seq_length, model.threads) == (7, 1)
    assert model.checkpoint.directory == directory
    assert locate_model(options).directory == directory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-seq-length", "2"), "^--max-seq-length must lie in 3 to "),
        (("--revision", "main"), "^--revision 'main' is for a repository"),
    ],
)
def test_impossible_model_arguments_are_wrong_usage(
    arguments: tuple[str, str], message: str, make_checkpoint: MakeCheckpoint
) -> None:
    with pytest.raises(UsageError, match=message):
        load_model(options_of("--model", str(make_checkpoint()), *arguments))


def test_an_unknown_prompt_name_is_wrong_usage(make_checkpoint: MakeCheckpoint) -> None:
    options = options_of("--model", str(make_checkpoint()))
    options.default_prompt_name = "no such"
    with pytest.raises(UsageError, match=r"^--default-prompt-name must be one of query"):
        load_model(options)


def test_a_cache_in_the_home_of_nobody_is_wrong_usage() -> None:
    options = options_of("--cache-folder", "~no-such-user/cache", "--revision", "x")
    for load in (load_model, locate_model):
        with pytest.raises(UsageError, match=r"^--cache-folder '~no-such-user/cache': "):
            load(options)


def test_there_is_no_note_if_no_text_was_cut(model: MiniLM, capsys: pytest.CaptureFixture[str]) -> None:
    say_truncated(model, 0, 2)
    assert capsys.readouterr().err == ""
    say_truncated(model, 1, 2)
    assert capsys.readouterr().err.startswith("minilm: 1 of 2 texts were cut at 256 tokens")
