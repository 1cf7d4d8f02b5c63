"""_progress.py: when a bar is shown, and where."""

from __future__ import annotations

import io
import sys

import pytest

from minilm import MiniLM
from minilm._progress import is_shown, progress_bar
from tests.parity.texts import PLAIN


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "show", "expected"),
    [
        (io.StringIO(), None, False),
        (io.StringIO(), True, True),
        (Terminal(), None, True),
        (Terminal(), False, False),
        (None, None, False),  # pythonw has no stderr
    ],
)
def test_a_bar_is_shown_on_a_terminal_unless_the_caller_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None, show: bool | None, expected: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    assert is_shown(show) is expected


def test_a_progress_bar_is_shown_only_when_asked_for(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    for stderr, show, shown in (
        (io.StringIO(), None, False),
        (io.StringIO(), False, False),
        (io.StringIO(), True, True),
        (Terminal(), None, False),  # these texts are done long before the second that a bar waits for
        (Terminal(), True, True),
    ):
        monkeypatch.setattr(sys, "stderr", stderr)
        model.encode(PLAIN, show_progress_bar=show)
        assert ("24/24" in stderr.getvalue()) == shown


def test_a_bar_counts_in_its_unit_up_to_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar(True, 7, desc="Reading", unit="row", mininterval=0) as bar:
        bar.update(3)
        bar.update(4)
    last = stderr.getvalue().split("\r")[-1]
    assert last.startswith("Reading: 100%")
    assert "7/7" in last
    assert "row/s" in last


def test_a_silent_bar_counts_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(False, None) as bar:
        bar.update(3)
        bar.update(4)
        bar.set_postfix_str("12 skipped", refresh=False)
        assert bar.n == 7
    assert capsys.readouterr() == ("", "")
