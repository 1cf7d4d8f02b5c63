"""How far a job is, on stderr: a bar on a terminal, and otherwise a line every 30 seconds for a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from minilm._progress import is_shown, progress_bar
from minilm.corpus.manifest import Report

LINE_SECONDS = 30.0
Clock = Callable[[], float]


def counted(rows: int) -> str:
    """Return a number of rows in words."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'}"


class JobProgress:
    """Called with the report of a job and the bytes of input processed: at its start and after each shard.

    Parameters
    ----------
    bar
        A bar of tqdm, or a silent one.
    total : int, optional
        Bytes of input. None for a pipe: the time left is then not known.
    note : callable
        Prints a line.
    has_lines : bool
        Whether to print one every 30 seconds.
    resumes : bool
        Whether an earlier run began the job.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        bar: Any,  # noqa: ANN401 - tqdm's
        total: int | None,
        note: Callable[[str], None],
        *,
        has_lines: bool,
        resumes: bool,
        clock: Clock,
    ) -> None:
        self._bar = bar
        self._total = total
        self._note = note
        self._has_lines = has_lines
        self._resumes = resumes
        self._clock = clock
        self._start: tuple[float, int, int, int] | None = None  # time, rows, tokens, position
        self._last_line = 0.0
        self._line = ""
        self._lock = threading.Lock()
        self._is_over_at_once = True  # no shard was left to do
        self._rows = self._rows_of_run = 0
        self._seconds = 0.0

    def __call__(self, report: Report, position: int) -> None:
        """Show that the job is as far as this."""
        now = self._clock()
        self._is_over_at_once = self._start is None
        if self._start is None:
            self._start, self._last_line = (now, report.rows, report.tokens, position), now
            self._bar.initial = position
            if self._resumes and report.inputs:
                self._note(f"going on after {counted(report.inputs)}")
        began, rows, tokens, start = self._start  # the speed counts the work of this run only
        self._rows, self._rows_of_run, self._seconds = report.rows, report.rows - rows, max(now - began, 1e-9)
        speed, tokens_speed = self._rows_of_run / self._seconds, (report.tokens - tokens) / self._seconds
        self._bar.set_postfix_str(f"{speed:,.0f} texts/s, {tokens_speed:,.0f} tokens/s", refresh=False)
        self._bar.update(position - self._bar.n)
        left = ""
        if self._total is not None and start < position < self._total:
            left = f", {duration((self._total - position) * self._seconds / (position - start))} left"
        self._line = f"{counted(report.rows)}, {speed:,.0f} rows/s{left}"
        self.tick()

    def tick(self) -> None:
        """Print how far the job is, if the last line is 30 seconds old. A shard may take longer."""
        with self._lock:
            if self._has_lines and self._line and self._clock() - self._last_line >= LINE_SECONDS:
                self._last_line = self._clock()
                self._note(self._line)

    def summary(self, output: Path) -> str:
        """Return what was done, for the end of the job."""
        if self._is_over_at_once and self._rows:
            return f"{output} is complete: {counted(self._rows)}"
        rows, speed = self._rows_of_run, self._rows_of_run / max(self._seconds, 1e-9)
        done = f"{counted(rows)} in {duration(self._seconds)} ({speed:,.0f} rows/s)"
        return f"{done}, {self._rows:,} in all: {output}" if rows < self._rows else f"{done}: {output}"


@contextmanager
def job_progress(
    total: int | None,
    show: bool | None,
    note: Callable[[str], None],
    *,
    resumes: bool = False,
    clock: Clock = time.monotonic,
) -> Iterator[JobProgress]:
    """Show a bar over the bytes of the input, or lines, or for False neither.

    ``show`` is as for :func:`minilm._progress.progress_bar`, where no bar is shown for None there are lines.
    """
    with progress_bar(show, total, unit="B", unit_scale=True) as bar:
        has_lines = show is None and not is_shown(show)
        progress = JobProgress(bar, total, note, has_lines=has_lines, resumes=resumes, clock=clock)
        with _ticking(progress) if has_lines else nullcontext():
            yield progress


@contextmanager
def _ticking(progress: JobProgress) -> Iterator[None]:
    """Let a thread ask every second for a line."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(1.0):
            progress.tick()

    watcher = threading.Thread(target=watch, name="minilm_progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def duration(seconds: float) -> str:
    """Return a time as people say it: "2 h 10 min", "5 min 26 s" or "0.4 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours:,} h {minutes_left} min" if hours else f"{minutes} min {rest} s"
