"""A pytest plugin that puts minilm in the place of sentence-transformers' inference, for its own tests.

Their test files import trainers, losses and modules too, so the library stays. Its classes and functions that
minilm has as well are replaced wherever one of the library's modules holds them.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import pytest

from minilm.integrations.sentence_transformers import NAME, substitutes


def loaded() -> Iterator[ModuleType]:
    """The library's modules that are imported."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == NAME:
            yield module


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Replace before the first of their files is imported."""
    import sentence_transformers as original

    for found in pkgutil.walk_packages(original.__path__, f"{NAME}."):
        with suppress(ImportError):  # an extra that is not installed
            importlib.import_module(found.name)
    ours = {}
    for place, substitute in substitutes().items():
        module = sys.modules.get(place)
        for name, value in vars(substitute).items():
            if callable(value) and not name.startswith("__") and hasattr(module, name):
                ours[id(getattr(module, name))] = value
    for module in loaded():
        for name, value in list(vars(module).items()):
            if id(value) in ours:
                setattr(module, name, ours[id(value)])
    # Their fixtures switch off the examples of the model card, which only training writes.
    for model in (original.SentenceTransformer, original.CrossEncoder):
        model.model_card_data = SimpleNamespace()
