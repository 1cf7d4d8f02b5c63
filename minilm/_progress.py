"""The progress bar, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


def is_shown(show: bool | None) -> bool:
    """Whether to show a bar: as the caller says, or for None if stderr is a terminal."""
    if sys.stderr is None or getattr(sys.stderr, "closed", False):  # under pythonw, or in a daemon
        return False
    # some programs put an object with little more than write in its place
    return getattr(sys.stderr, "isatty", lambda: False)() if show is None else show


@contextmanager
def progress_bar(
    show: bool | None,
    total: int | None,
    *,
    desc: str = "Encoding",
    unit: str = "text",
    **options: Any,  # noqa: ANN401 - tqdm's own
) -> Iterator[Any]:
    """Show a bar (tqdm's), whose ``update(n)`` says that n more are done; a silent one if it is not shown.

    For None it is shown if stderr is a terminal and the work takes more than a second.
    """
    if not is_shown(show):
        yield _Silent()
        return
    from tqdm import tqdm

    delay = 0.0 if show else 1.0
    with tqdm(total=total, desc=desc, unit=unit, delay=delay, file=_Unfailing(sys.stderr), **options) as bar:
        yield bar


class _Unfailing:
    """A stream that may break while the bar is shown: a closed pipe must not end the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - an attribute of the stream
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Write, if the stream still takes it."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, if the stream still takes it."""
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Silent:
    """A bar that shows nothing."""

    n = initial = 0

    def update(self, n: int) -> None:
        self.n += n

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Show nothing."""
