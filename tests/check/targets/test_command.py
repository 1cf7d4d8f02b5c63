"""A command that reads and writes JSON lines."""

from __future__ import annotations

import shlex
import sys
from types import SimpleNamespace

import pytest

from minilm.check.targets import command as command_module
from minilm.check.targets.command import CommandTarget, words_of
from minilm.check.targets.target import RefusedError, TargetError


def command(code: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


ECHO = "import sys, json\nfor line in sys.stdin: print([len(json.loads(line)['text']), 1])"


def test_a_command_reads_texts_and_writes_vectors() -> None:
    assert CommandTarget(command(ECHO), 60).embed(["a", "\u00e9\n\u2028"]).tolist() == [[1, 1], [3, 1]]


def test_a_command_that_fails_refuses_the_texts_with_its_last_words() -> None:
    failing = command("import sys; sys.exit('no weights')")
    with pytest.raises(RefusedError, match="ended with exit code 1: no weights"):
        CommandTarget(failing, 60).embed(["a"])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('[1]\\n[2]')", "asked for 1 vector, got 2"),
        ("pass", "asked for 1 vector, got 0"),
        ("print('loading...')", "line 1 must be a JSON array of numbers, .* not 'loading...'"),
    ],
)
def test_an_answer_without_a_vector_per_text_is_said(code: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        CommandTarget(command(code), 60).embed(["a"])


def test_a_command_that_does_not_end_or_start_is_said() -> None:
    with pytest.raises(
        TargetError, match=r"did not end within 0.2 s after 1 texts; --timeout gives it longer"
    ):
        CommandTarget(command("import time; time.sleep(600)"), 0.2).embed(["a"])
    with pytest.raises(TargetError, match="no-such-command cannot be started: No such file or directory"):
        CommandTarget("no-such-command", 60).embed(["a"])


def test_a_path_of_windows_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert words_of(r"/opt/a\ b 'c d'") == ["/opt/a b", "c d"]
    monkeypatch.setattr(command_module, "os", SimpleNamespace(name="nt"))
    assert words_of(r'C:\Tools\embed.exe "C:\my texts" --batch') == [
        r"C:\Tools\embed.exe",
        r"C:\my texts",
        "--batch",
    ]
