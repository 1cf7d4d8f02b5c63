"""The model behind an adapter: one that is there already, or one that is loaded once and shared."""

from __future__ import annotations

import os
from functools import lru_cache

from minilm.hub import DEFAULT_MODEL
from minilm.model import MiniLM

ModelOrName = MiniLM | str | os.PathLike[str]


def as_model(model: ModelOrName = DEFAULT_MODEL) -> MiniLM:
    """The model itself, or the one of that name or directory; asked again, the same one.

    Frameworks copy their components freely (a grid search clones its transformer for each fold); the weights
    are then in memory once.
    """
    return model if isinstance(model, MiniLM) else _loaded(os.fspath(model))


def name_of(model: ModelOrName) -> str:
    """What :func:`as_model` makes the same model of again, in another process as well."""
    if isinstance(model, MiniLM):
        return model.checkpoint.repo_id or str(model.checkpoint.directory)
    return os.fspath(model)


@lru_cache(maxsize=4)
def _loaded(name: str) -> MiniLM:
    return MiniLM(name)
