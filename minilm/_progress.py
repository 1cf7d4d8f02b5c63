"""The progress bar, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def is_shown(show: bool | None) -> bool:
    """Whether to show a bar: as the caller says, or for None if stderr is a terminal."""
    return bool(sys.stderr and sys.stderr.isatty()) if show is None else show


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
    with tqdm(total=total, desc=desc, unit=unit, delay=delay, file=sys.stderr, **options) as bar:
        yield bar


class _Silent:
    """A bar that shows nothing."""

    n = initial = 0

    def update(self, n: int) -> None:
        self.n += n

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Show nothing."""
