"""A file from any address on the web."""

from __future__ import annotations

import os
import shutil
import urllib.request
from pathlib import Path

from minilm._files import atomic_write


def http_get(url: str, path: str | os.PathLike[str]) -> None:
    """Download a file, which gets its name only when it is complete.

    Parameters
    ----------
    url : str
        An address that begins with http:// or https://.
    path : str or PathLike
        Where to write it; missing folders are created.

    Raises
    ------
    ValueError
        If the address is of another kind.
    OSError
        If the server does not answer or has no such file.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"url must begin with http:// or https://, not {url!r:.80}")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=60) as answer, atomic_write(target) as file:  # noqa: S310 - checked
        shutil.copyfileobj(answer, file)
