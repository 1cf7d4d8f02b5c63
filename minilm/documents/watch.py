"""Notice that documents change, so that a table can follow them."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from minilm.corpus.paths import is_url, is_within
from minilm.errors import CorpusError, import_extra


def changes(paths: Sequence[str], place: str, stop: Event) -> Iterator[None]:
    """Yield once, and again each time that something changes below these paths, until ``stop`` is set.

    What changes while the caller is at work comes next. Changes that come together are one. What happens in
    the table at ``place`` is none.

    Raises
    ------
    CorpusError
        If a path is a URL: no server tells of changes.
    """
    if remote := [path for path in paths if is_url(path)]:
        raise CorpusError(f"{remote[0]} cannot be watched: --watch is for files of this machine")
    watchfiles = import_extra("watchfiles", feature="--watch", extra="index")
    table = [] if is_url(place) else [Path(place).resolve()]
    folders = {_folder(path) for path in paths}

    def is_relevant(_: object, path: str) -> bool:
        return not is_within(path, table)

    is_first = True  # comes when nothing has changed for a moment: by then the watch is on
    for changed in watchfiles.watch(
        *folders,
        watch_filter=is_relevant,
        stop_event=stop,
        raise_interrupt=False,
        yield_on_timeout=True,
        rust_timeout=200,
    ):
        if changed or is_first:
            yield
        is_first = False


def _folder(path: str) -> Path:
    """Return the folder in which a file may appear that a path stands for."""
    given = Path(path).expanduser()
    while not given.is_dir() or glob.has_magic(str(given)):
        given = given.parent
    return given
