"""Output in any locale, and without control characters."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings

import pytest

from minilm import TruncationWarning
from minilm.cli.errors import Failure
from minilm.cli.terminal import (
    is_coloured,
    output_streams,
    printable,
    put,
    put_json,
    say,
    say_traceback,
    text_argument,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_steers_no_terminal_and_comes_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\x1b[2J\x9b31m \u202e \u2028 \u2067 grüße"
    put_json({"text": text})
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert all(c.isprintable() for c in line.rstrip("\n"))
    assert "grüße" in line
    assert json.loads(line) == {"text": text}


def test_json_is_ascii_where_stdout_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), "latin-1")
    monkeypatch.setattr(sys, "stdout", stdout)
    put_json("grüße")
    stdout.flush()
    assert stdout.buffer.getvalue().strip() == b'"gr\\u00fc\\u00dfe"'


def test_what_stdout_cannot_encode_is_an_escape_for_as_long_as_a_command_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    with output_streams():
        put("中 é")
    assert stdout.buffer.getvalue().strip() == b"\\u4e2d \\xe9"
    assert stdout.errors == "strict"


def test_an_answer_that_nobody_gets_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(Failure, match="stdout is closed"):
        put("text")


def test_without_stderr_nothing_is_said_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    say("a message")
    say_traceback(ValueError("wrong"))
    assert capsys.readouterr().out == ""


def test_a_message_is_one_line_that_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("two\nlines \x1b[2J")
    say_traceback(ValueError("wrong \x1b[2J"))
    assert capsys.readouterr().err == "minilm: two lines  [2J\nValueError: wrong  [2J\n"


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with output_streams():
        for _ in range(2):
            warnings.warn("1 of 2 texts were cut", TruncationWarning, stacklevel=1)
            warnings.warn("another library will change", FutureWarning, stacklevel=1)
    assert capsys.readouterr().err == "minilm: 1 of 2 texts were cut\n" * 2


def test_downloads_are_told_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stderr, lines in ((Terminal(), "minilm: downloading\n"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stderr)
        with output_streams():
            logging.getLogger("minilm.hub.mirror").info("downloading")
        logging.getLogger("minilm.hub.mirror").info("afterwards")
        assert stderr.getvalue() == lines


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colour_is_for_terminals_whose_user_wants_it(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert is_coloured() is expected
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert is_coloured() is False


def test_bytes_that_are_not_utf8_are_left_for_the_tokenizer() -> None:
    assert text_argument("caf\udcc3\udca9 é") == "café é"
    assert text_argument("half \udcff") == "half \udcff"
    assert printable("half \udcff\t") == "half \udcff "


def test_what_the_libraries_log_of_a_server_is_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own, which keep Python from printing
    with output_streams():
        logging.getLogger("gcsfs.retry").warning("out of retries")
    assert capsys.readouterr().err == ""
