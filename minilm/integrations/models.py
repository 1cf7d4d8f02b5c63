"""The model behind an adapter: a given model, or one that is loaded once per process and shared."""

from __future__ import annotations

import os
import threading
from functools import lru_cache

from minilm.model import MiniLM

ModelOrName = MiniLM | str | os.PathLike[str]


def as_model(model: ModelOrName) -> MiniLM:
    """Return the model itself, or the shared model of that name: frameworks copy their components freely."""
    return model if isinstance(model, MiniLM) else shared_model(os.fspath(model))


def name_of(model: ModelOrName) -> str:
    """Return a name that gives the same checkpoint in any process, by :func:`as_model`.

    What else a MiniLM was given, such as prompts, is not part of it.
    """
    if isinstance(model, MiniLM):
        return model.checkpoint.repo_id or str(model.checkpoint.directory)
    return os.fspath(model)


def shared_model(name: str, threads: int | None = None) -> MiniLM:
    """Return the process's model of that name and number of threads; only the first call loads it."""
    with _LOCKS[-1]:  # lru_cache would let concurrent callers each load one
        return _load_shared(name, threads)


_LOCKS = [threading.Lock()]
if hasattr(os, "register_at_fork"):  # not on Windows
    # the thread that held the lock does not exist in a forked child, which therefore uses a new one
    os.register_at_fork(after_in_child=lambda: _LOCKS.append(threading.Lock()))


@lru_cache(maxsize=4)
def _load_shared(name: str, threads: int | None) -> MiniLM:
    return MiniLM(name, threads=threads)
