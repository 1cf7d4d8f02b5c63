"""Haystack's components that ask a service."""

from __future__ import annotations

from typing import Any

import pytest

from minilm import CrossEncoder, MiniLM
from tests.server.clients.expected import DOCUMENTS, KEY, LONG, QUERY, assert_ranking, assert_vectors
from tests.serving import A, B, Server


@pytest.fixture
def haystack() -> Any:
    return pytest.importorskip("haystack", reason="haystack-ai is not installed")


def test_openai_embedders(haystack: Any, with_key: Server, model: MiniLM) -> None:
    embedders = pytest.importorskip("haystack.components.embedders")
    given = {
        "api_base_url": f"{with_key.url}/v1",
        "api_key": haystack.utils.Secret.from_token(KEY),
        "model": "m",
    }
    assert_vectors([embedders.OpenAITextEmbedder(**given).run(A)["embedding"]], model, [A])
    documents = [haystack.Document(content=text) for text in (A, B, LONG)]
    embedded = embedders.OpenAIDocumentEmbedder(**given).run(documents)["documents"]
    assert_vectors([document.embedding for document in embedded], model, [A, B, LONG])


def test_hugging_face_embedders(haystack: Any, with_key: Server, model: MiniLM) -> None:
    embedders = pytest.importorskip(
        "haystack_integrations.components.embedders.huggingface_api",
        reason="huggingface-api-haystack is not installed",
    )
    given = {
        "api_type": "text_embeddings_inference",
        "api_params": {"url": with_key.url},
        "token": haystack.utils.Secret.from_token(KEY),
        "normalize": True,  # otherwise the vectors do not have length 1
    }
    assert_vectors([embedders.HuggingFaceAPITextEmbedder(**given).run(A)["embedding"]], model, [A])
    documents = [haystack.Document(content=text) for text in (A, B, LONG)]
    embedded = embedders.HuggingFaceAPIDocumentEmbedder(**given).run(documents)["documents"]
    assert_vectors([document.embedding for document in embedded], model, [A, B, LONG])


def test_hugging_face_ranker(haystack: Any, with_key: Server, reranker: CrossEncoder) -> None:
    rankers = pytest.importorskip(
        "haystack_integrations.components.rankers.huggingface_api",
        reason="huggingface-api-haystack is not installed",
    )
    ranker = rankers.HuggingFaceTEIRanker(url=with_key.url, token=haystack.utils.Secret.from_token(KEY))
    documents = [haystack.Document(content=text, meta={"index": i}) for i, text in enumerate(DOCUMENTS)]
    ranking = ranker.run(QUERY, documents)["documents"]
    assert_ranking([(document.meta["index"], document.score) for document in ranking], reranker)
