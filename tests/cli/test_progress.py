"""minilm/cli/progress.py: what a log has of a job, by a clock that the test turns."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from minilm.cli.progress import duration, job_progress
from minilm.corpus.manifest import Report


class Clock:
    """A clock that goes as the test says."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def report(rows: int) -> Report:
    return Report(rows=rows, inputs=rows, tokens=10 * rows)


def said_in(
    *shards: tuple[float, int, int],
    total: int | None = 1000,
    show: bool | None = None,
    resumes: bool = False,
) -> list[str]:
    """What is said if shards are done after so many seconds, with so many rows and bytes of input in all."""
    clock, said = Clock(), list[str]()
    with job_progress(total, show, said.append, resumes=resumes, clock=clock) as advance:
        for seconds, rows, position in shards:
            clock.now = 1000.0 + seconds
            advance(report(rows), position)
    return [*said, advance.summary(Path("out.npy"))]


def test_a_line_comes_every_30_seconds_and_at_the_end() -> None:
    shards = [(0, 0, 0), (10, 100, 100), (20, 200, 200), (30, 300, 300), (59, 500, 500), (61, 610, 610)]
    assert said_in(*shards, (100, 1000, 1000)) == [
        "300 rows, 10 rows/s, 1 min 10 s left",  # of 1000 bytes 700 are left, at 10 a second
        "610 rows, 10 rows/s, 39 s left",  # 390 bytes at 10 a second
        "1,000 rows, 10 rows/s",
        "1,000 rows in 1 min 40 s (10 rows/s): out.npy",
    ]


def test_of_a_pipe_the_time_left_is_not_known() -> None:
    assert said_in((0, 0, 0), (40, 4000, 0), total=None) == [
        "4,000 rows, 100 rows/s",
        "4,000 rows in 40 s (100 rows/s): out.npy",
    ]


def test_the_speed_is_that_of_this_run() -> None:
    assert said_in((0, 8192, 500), (50, 9192, 600), (100, 10192, 1000), resumes=True) == [
        "going on after 8,192 rows",
        "9,192 rows, 20 rows/s, 3 min 20 s left",  # 400 bytes at 2 a second
        "10,192 rows, 20 rows/s",
        "2,000 rows in 1 min 40 s (20 rows/s), 10,192 in all: out.npy",
    ]


def test_a_job_that_has_nothing_left_to_do_says_so() -> None:
    assert said_in((0, 8192, 1000)) == ["out.npy is complete: 8,192 rows"]
    assert said_in((0, 0, 0)) == ["0 rows in 0.0 s (0 rows/s): out.npy"]


@pytest.mark.parametrize("show", [True, False])
def test_there_are_no_lines_beside_a_bar_or_if_nothing_is_to_be_shown(
    show: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_in((0, 0, 0), (50, 1000, 1000), show=show) == ["1,000 rows in 50 s (20 rows/s): out.npy"]
    assert ("100%" in capsys.readouterr().err) is show


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert len(said_in((0, 0, 0), (50, 1000, 1000))) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.6, "1 min 0 s"),
        (326, "5 min 26 s"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_a_time_is_written_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_line_comes_also_while_a_shard_takes_longer() -> None:
    clock, said = Clock(), list[str]()
    with job_progress(1000, None, said.append, clock=clock) as advance:
        advance(report(0), 0)
        clock.now += 10
        advance(report(100), 100)
        for seconds in (19, 1, 1, 29):  # 29, 30, 31 and 60 seconds from the beginning
            clock.now += seconds
            advance.tick()
        assert said == ["100 rows, 10 rows/s, 1 min 30 s left"] * 2
