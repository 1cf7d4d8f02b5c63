"""minilm under the name ``sentence_transformers``, for code that imports that package and cannot be changed.

    from minilm.integrations.sentence_transformers import install

    install()
    from sentence_transformers import SentenceTransformer  # minilm's

Only inference is there. To import another name, such as a trainer's, is an ImportError.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from minilm import util
from minilm._arguments import ENCODE_ARGUMENTS, by_place
from minilm._arrays import as_tensor
from minilm.cross_encoder import CrossEncoder
from minilm.errors import MiniLMError
from minilm.model import MiniLM
from minilm.similarity import SIMILARITY

NAME = "sentence_transformers"
VERSION = "6.2.0"  # the version whose arguments and results minilm has

# The modules that hold each class and the utilities, in this version and in earlier ones.
_PLACES = {
    "SentenceTransformer": ("", "SentenceTransformer", "sentence_transformer", "sentence_transformer.model"),
    "CrossEncoder": ("", "cross_encoder", "cross_encoder.CrossEncoder", "cross_encoder.model"),
    "SimilarityFunction": ("", "similarity_functions"),
    "quantize_embeddings": ("", "quantization"),
}
_UTILITIES = ("util", "util.similarity", "util.quantization", "util.retrieval", "util.tensor")
_ONE = "sentence_embedding"  # the output_value of one vector per text
# What returns torch's tensors in the original, whatever it is given.
_TENSOR_NAMES = ("sim", "score", "normalize_embeddings")


def _with_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of arrays return torch's tensor, if torch is installed."""
    if find_spec("torch") is None:
        return function

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any function
        return as_tensor(np.asarray(function(*args, **kwargs)))

    return call


class SentenceTransformer(MiniLM):
    """:class:`minilm.MiniLM` under the name by which other packages recognize it."""

    SUPPORTED_SIMILARITY_FN_NAMES = tuple(SIMILARITY)

    def encode(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as there
        """As :meth:`minilm.MiniLM.encode`, with torch's tensors for token vectors, where it is installed."""
        results = super().encode(*arguments, **options)
        named = by_place(ENCODE_ARGUMENTS, arguments, options) | options
        return (
            results
            if named.get("output_value", _ONE) == _ONE or find_spec("torch") is None
            else as_tensor(results)
        )

    similarity = _with_tensors(MiniLM.similarity)
    similarity_pairwise = _with_tensors(MiniLM.similarity_pairwise)


class Reranker(CrossEncoder):
    """:class:`minilm.CrossEncoder` under the name by which other packages recognize it."""


def install() -> None:
    """Register minilm as ``sentence_transformers`` for every later import in this process.

    Where torch is installed, the similarity functions return its tensors, as those of the original do.

    Raises
    ------
    MiniLMError
        If the original was imported before.
    """
    previous = sys.modules.get(NAME)
    if previous is not None and not isinstance(previous, _Substitute):
        raise MiniLMError(f"{NAME} is imported already: call install() before anything imports it")
    if previous is None:
        sys.modules |= substitutes()


def substitutes() -> dict[str, ModuleType]:
    """Return the modules that :func:`install` registers, by name."""
    modules: dict[str, ModuleType] = {}
    names = {f"{NAME}.{place}".rstrip(".") for places in _PLACES.values() for place in places}
    for name in sorted({*names, *(f"{NAME}.{place}" for place in _UTILITIES)}):  # parents come first
        modules[name] = module = _Substitute(name)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(modules[parent], last, module)
    for place in _UTILITIES:
        for name in util.__all__:
            value = getattr(util, name)
            setattr(
                modules[f"{NAME}.{place}"],
                name,
                _with_tensors(value) if name.endswith(_TENSOR_NAMES) else value,
            )
    contents = {**vars(util), "SentenceTransformer": SentenceTransformer, "CrossEncoder": Reranker}
    for name, places in _PLACES.items():
        for place in places:
            setattr(modules[f"{NAME}.{place}".rstrip(".")], name, contents[name])
    modules[NAME].__version__ = VERSION  # type: ignore[attr-defined]
    return modules


class _Substitute(ModuleType):
    """A module in the place of the original's."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __doc__)
        self.__file__ = __file__  # an ImportError shows it
        self.__path__: list[str] = []  # has modules in it
        self.__spec__ = ModuleSpec(name, loader=None, origin=__file__, is_package=True)


SentenceTransformer.__module__ = Reranker.__module__ = NAME
Reranker.__name__ = Reranker.__qualname__ = "CrossEncoder"
