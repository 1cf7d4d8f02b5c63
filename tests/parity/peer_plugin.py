"""A pytest plugin that puts minilm in the place of sentence-transformers' inference, for its own tests.

Their test files import trainers, losses and modules too, so the library stays. Its classes and functions that
minilm has as well are replaced wherever one of the library's modules holds them.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import SimpleNamespace

import sentence_transformers as original

from minilm.integrations.sentence_transformers import NAME, substitutes


def replace() -> None:
    for module in pkgutil.walk_packages(original.__path__, f"{NAME}."):
        try:
            importlib.import_module(module.name)
        except ImportError:  # an extra that is not installed
            continue
    exchange = {}
    for name, substitute in substitutes().items():
        module = sys.modules.get(name)
        for key, value in vars(substitute).items():
            if module is not None and not key.startswith("__") and callable(value) and hasattr(module, key):
                exchange[id(getattr(module, key))] = value
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == NAME:
            for key, value in list(vars(module).items()):
                if id(value) in exchange:
                    setattr(module, key, exchange[id(value)])
    # Their fixtures switch off the examples of the model card, which only training writes.
    for model in (original.SentenceTransformer, original.CrossEncoder):
        model.model_card_data = SimpleNamespace()


replace()
