"""DSPy: an embedder for its retrievers."""

from __future__ import annotations

from typing import Any

import dspy

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import ModelOrName, as_model


class DSPyEmbedder(dspy.Embedder):
    """Embeddings of texts, without DSPy's cache.

    The cache, which is on by default and on disk, knows a function by its source code. For
    ``dspy.Embedder(model.encode)`` it would return the vectors of one checkpoint as those of another.

    Parameters
    ----------
    model : MiniLM, str or PathLike
        A model, a directory or a name on the Hub.
    batch_size : int
        Texts per call.
    **encode_kwargs
        As for :meth:`minilm.MiniLM.encode`, such as ``prompt``.
    """

    def __init__(
        self,
        model: ModelOrName = DEFAULT_MODEL,
        batch_size: int = 200,
        **encode_kwargs: Any,  # noqa: ANN401 - as encode
    ) -> None:
        super().__init__(as_model(model).encode, batch_size=batch_size, caching=False, **encode_kwargs)
