"""llm: the embedding model ``minilm`` of its commands ``embed``, ``embed-multi`` and ``similar``.

llm finds this module by its entry point. It loads the weights at the first text, not for ``llm --help``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import llm

from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import as_model


class MiniLMEmbeddingModel(llm.EmbeddingModel):
    """A checkpoint under a short name.

    Parameters
    ----------
    model_id : str
        The name for ``llm embed -m``.
    checkpoint : str
        A directory or a name on the Hub.
    """

    batch_size = 256  # texts per call; llm embed-multi has an option for it

    def __init__(self, model_id: str, checkpoint: str) -> None:
        self.model_id = model_id
        self.checkpoint = checkpoint

    def embed_batch(self, items: Iterable[str | bytes], *, key: str | None = None) -> Iterator[list[float]]:  # noqa: ARG002 - no key is needed
        """Yield one vector per text."""
        yield from as_model(self.checkpoint).encode(list(items)).tolist()


@llm.hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    """Tell llm the model and its other name."""
    register(MiniLMEmbeddingModel("minilm", DEFAULT_MODEL), aliases=("all-MiniLM-L6-v2",))
