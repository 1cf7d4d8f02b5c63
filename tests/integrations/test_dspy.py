"""minilm/integrations/dspy.py in the real package: its retriever, and vectors of the right model."""

from __future__ import annotations

import asyncio

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_embedder_gives_the_vectors_of_encode(model: MiniLM) -> None:
    dspy = pytest.importorskip("dspy", reason="dspy is not installed")
    from minilm.integrations.dspy import DSPyEmbedder

    ours = DSPyEmbedder(model, batch_size=2)
    assert isinstance(ours, dspy.Embedder)
    close(ours(TEXTS), model.encode(TEXTS))
    close(ours(QUERY), model.encode(QUERY))
    close(asyncio.run(ours.acall(TEXTS)), model.encode(TEXTS))
    close(DSPyEmbedder(model, prompt="query: ")(TEXTS), model.encode(["query: " + text for text in TEXTS]))
    retrieve = dspy.retrievers.Embeddings(TEXTS[:3], ours, k=1)
    assert retrieve(QUERY).passages == ["Reset your password here."]


def test_two_models_do_not_share_a_cache(model: MiniLM) -> None:
    """DSPy's own cache gives the second the vectors of the first."""
    pytest.importorskip("dspy", reason="dspy is not installed")
    from minilm.integrations.dspy import DSPyEmbedder

    other = MiniLM(model.checkpoint.directory, prompts={"query": "query: "}, default_prompt_name="query")
    close(DSPyEmbedder(model)(TEXTS), model.encode(TEXTS))
    close(DSPyEmbedder(other)(TEXTS), other.encode(TEXTS))
    assert abs(other.encode(TEXTS) - model.encode(TEXTS)).max() > 0.01
    with pytest.raises(TypeError, match="caching"):
        DSPyEmbedder(model, caching=True)
