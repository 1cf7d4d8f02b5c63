"""minilm/integrations/semantic_router.py in the real package: the routes that its own encoder chooses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")

UTTERANCES = {
    "account": ["Reset your password here.", "I forgot my password"],
    "kitchen": ["Simmer the onions.", "Add a pinch of salt"],
}


def test_an_encoder_has_the_vectors_and_the_prompts(model: MiniLM, prompted: MiniLM) -> None:
    pytest.importorskip("semantic_router", reason="semantic-router is not installed")
    from minilm.integrations.semantic_router import RouterEncoder

    ours = RouterEncoder()
    assert ours.name == "sentence-transformers/all-MiniLM-L6-v2"
    close(ours(TEXTS), model.encode(TEXTS))
    close(asyncio.run(ours.acall(TEXTS)), model.encode(TEXTS))
    two_prompts = RouterEncoder(prompted)
    query, documents = model.encode(["query: " + QUERY]), model.encode(["passage: " + text for text in TEXTS])
    close(two_prompts.encode_queries([QUERY]), query)
    close(asyncio.run(two_prompts.aencode_queries([QUERY])), query)
    close(two_prompts.encode_documents(TEXTS), documents)
    close(asyncio.run(two_prompts.aencode_documents(TEXTS)), documents)


def test_a_router_chooses_as_with_sentence_transformers(original: Any) -> None:
    pytest.importorskip("semantic_router", reason="semantic-router is not installed")
    from semantic_router import Route
    from semantic_router.encoders import DenseEncoder
    from semantic_router.routers import IndexedRouter

    from minilm.integrations.semantic_router import RouterEncoder

    class Original(DenseEncoder):  # type: ignore[misc]
        def __call__(self, docs: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = original.encode(docs).tolist()
            return vectors

    routes = [Route(name=name, utterances=texts) for name, texts in UTTERANCES.items()]
    ours, theirs = IndexedRouter(RouterEncoder(), routes), IndexedRouter(Original(name="original"), routes)
    for query, name in ((QUERY, "account"), ("How long do I boil rice?", "kitchen")):
        choice, expected = ours(query), theirs(query)
        assert choice.name == expected.name == name
        # float32 sums in another order
        assert choice.confidence == pytest.approx(expected.confidence, abs=1e-6)
        assert asyncio.run(ours.acall(query)).name == name


def test_an_unknown_option_is_an_error(model: MiniLM) -> None:
    pytest.importorskip("semantic_router", reason="semantic-router is not installed")
    from minilm.integrations.semantic_router import RouterEncoder

    with pytest.raises(ValueError, match=r"device\n  Extra inputs are not permitted"):
        RouterEncoder(model, device="cuda")
