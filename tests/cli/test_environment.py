"""minilm/cli/environment.py: variables stand for options, and errors name them."""

from __future__ import annotations

import argparse

import pytest

from minilm.cli.environment import add_environment, environment_errors
from minilm.cli.errors import UsageError
from minilm.cli.main import main, make_parser
from minilm.cli.options import Parser


def serve_options(*arguments: str) -> argparse.Namespace:
    return make_parser(["serve"]).parse_args(["serve", *arguments])


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("MINILM_PORT", "9000", "port", 9000),
        ("MINILM_HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("MINILM_MODEL", "a/b", "model", "a/b"),
        ("MINILM_MAX_SEQ_LENGTH", "12", "max_seq_length", 12),
        ("MINILM_STRICT_MODEL", "1", "strict_model", True),
        ("MINILM_STRICT_MODEL", "FALSE", "strict_model", False),
        ("MINILM_LOCAL_FILES_ONLY", "yes", "local_files_only", True),
        ("MINILM_SERVED_MODEL_NAME", "one, two three", "served_model_name", ["one", "two", "three"]),
        (
            "MINILM_CORS_ORIGIN",
            "https://a.org,https://b.org",
            "cors_origin",
            ["https://a.org", "https://b.org"],
        ),
        ("MINILM_AUTO_TRUNCATE", "false", "auto_truncate", False),
        ("MINILM_NO_AUTO_TRUNCATE", "1", "auto_truncate", False),
        ("MINILM_NO_AUTO_TRUNCATE", "0", "auto_truncate", True),
        ("MINILM_ACCESS_LOG", "json", "access_log", "json"),
        ("MINILM_UDS_MODE", "600", "uds_mode", 0o600),
    ],
)
def test_a_variable_stands_for_its_option(
    variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(serve_options(), name) == value


def test_every_option_has_a_variable_but_those_that_say_something(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = Parser()
    parser.add_argument("--some-list", action="append", default=[])
    monkeypatch.setenv("MINILM_SOME_LIST", "a")
    monkeypatch.setenv("MINILM_HELP", "1")
    add_environment(parser)
    assert parser.parse_args([]).environment == {"some_list": ("--some-list", "MINILM_SOME_LIST", ["a"])}


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MINILM_MAX_TEXT", "MINILM_MAX_TEXTS"),
        ("MINILM_API_KEYS", "MINILM_API_KEY"),
        ("MINILM_SERVED_MODEL_NAMES", "MINILM_SERVED_MODEL_NAME"),
        ("MINILM_AUTOTRUNCATE", "MINILM_AUTO_TRUNCATE"),
        ("MINILM_ROOTPATH", "MINILM_ROOT_PATH"),
        ("MINILM_PROT", "MINILM_PORT"),
    ],
)
def test_a_misspelt_variable_is_refused(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "1")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == f"minilm: {variable} stands for no option: did you mean {meant}?\n"


@pytest.mark.parametrize("variable", ["MINILM_SERVICE_PORT", "MINILM_PORT_8000_TCP_PORT", "MINILM_OF_OTHERS"])
def test_variables_of_others_are_left_alone(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "8000")
    assert serve_options().port is None


def test_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINILM_PORT", "9000")
    monkeypatch.setenv("MINILM_CORS_ORIGIN", "https://a.org")
    monkeypatch.setenv("MINILM_SERVED_MODEL_NAME", "one")
    options = serve_options("--port", "1", "--cors-origin", "*", "--served-model-name", "two")
    assert (options.port, options.cors_origin, options.served_model_name) == (1, ["*"], ["two"])


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("MINILM_PORT", "70000", "MINILM_PORT must lie in 0 to 65535, not 70000"),
        ("MINILM_PORT", "", "MINILM_PORT is empty: unset it, or give it a value"),
        ("MINILM_HOST", " ", "MINILM_HOST is empty: unset it, or give it a value"),
        ("MINILM_THREADS", "all", "MINILM_THREADS must be a positive whole number, not all"),
        (
            "MINILM_STRICT_MODEL",
            "2",
            "MINILM_STRICT_MODEL must be 1 or 0, true or false, yes or no, on or off",
        ),
        (
            "MINILM_LOG_LEVEL",
            "loud",
            "MINILM_LOG_LEVEL must be one of debug, info, warning, error, not 'loud'",
        ),
        ("MINILM_UDS_MODE", "rw", "MINILM_UDS_MODE must be three octal digits, such as 660, not 'rw'"),
        ("MINILM_PORT", "tcp://10.0.0.1:80", "MINILM_PORT must not be the address of a Kubernetes service"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str,
    text: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, text)
    assert main(["serve", "--uds", "/nowhere/at/all"]) == 2
    assert capsys.readouterr().err.startswith(f"minilm: {message}")


def test_an_error_names_the_variable_only_where_the_value_comes_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINILM_CORS_ORIGIN", "example.org")
    for arguments, name in (([], "MINILM_CORS_ORIGIN"), (["--cors-origin", "example.org"], "--cors-origin")):
        with (
            pytest.raises(UsageError, match=f"^{name} must be"),
            environment_errors(serve_options(*arguments)),
        ):
            raise UsageError("--cors-origin must be like https://example.org")


def test_two_variables_of_one_option_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINILM_AUTO_TRUNCATE", "1")
    monkeypatch.setenv("MINILM_NO_AUTO_TRUNCATE", "1")
    message = "^MINILM_NO_AUTO_TRUNCATE and MINILM_AUTO_TRUNCATE are the same option: set one$"
    with pytest.raises(UsageError, match=message):
        serve_options()


def test_other_commands_do_not_read_the_variables_of_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINILM_MODEL", "")
    assert make_parser(["compare"]).parse_args(["compare", "a", "b"]).model != ""
