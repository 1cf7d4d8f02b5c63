"""The progress bar over texts, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(show: bool | None, total: int | None) -> Iterator[Callable[[int], object]]:
    """A progress bar over texts, as a function to call with the number of texts that are done."""
    if show is False or (show is None and not (sys.stderr and sys.stderr.isatty())):
        yield lambda _: None
        return
    from tqdm import tqdm

    # unasked, a bar is for those who wait: work under a second shows none
    with tqdm(total=total, desc="Encoding", unit="text", delay=0.0 if show else 1.0, file=sys.stderr) as bar:
        yield bar.update
