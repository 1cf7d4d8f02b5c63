"""Cohere's client for Python: rerank, in both versions of its protocol."""

from __future__ import annotations

from typing import Any

import pytest

from minilm import CrossEncoder
from tests.server.clients.expected import DOCUMENTS, KEY, QUERY, assert_ranking
from tests.serving import A, Server

cohere = pytest.importorskip("cohere", reason="cohere is not installed")


@pytest.mark.parametrize("name", ["Client", "ClientV2"])
def test_rerank(with_key: Server, reranker: CrossEncoder, name: str) -> None:
    client = getattr(cohere, name)(KEY, base_url=with_key.url)
    ranking = client.rerank(model="m", query=QUERY, documents=DOCUMENTS).results
    assert_ranking([(item.index, item.relevance_score) for item in ranking], reranker)
    best = client.rerank(model="m", query=QUERY, documents=DOCUMENTS, top_n=1).results
    assert [(item.index, item.relevance_score) for item in best] == [
        (ranking[0].index, pytest.approx(ranking[0].relevance_score, abs=3e-7))
    ]


def test_documents_are_returned(with_key: Server) -> None:
    client = cohere.Client(KEY, base_url=with_key.url)
    documents: list[Any] = [{"text": document} for document in DOCUMENTS]
    ranking = client.rerank(model="m", query=QUERY, documents=documents, return_documents=True).results
    assert [item.document.text for item in ranking] == [DOCUMENTS[item.index] for item in ranking]


def test_errors_are_said(with_key: Server) -> None:
    with pytest.raises(cohere.UnauthorizedError, match="key"):
        cohere.ClientV2("wrong", base_url=with_key.url).rerank(model="m", query=QUERY, documents=DOCUMENTS)
    client = cohere.ClientV2(KEY, base_url=with_key.url)
    with pytest.raises(cohere.core.api_error.ApiError, match="top_n"):
        client.rerank(model="m", query=QUERY, documents=DOCUMENTS, top_n=-1)
    with pytest.raises(cohere.NotFoundError):  # Cohere's embeddings are not spoken here: use OpenAI's
        client.embed(model="m", texts=[A], input_type="search_document", embedding_types=["float"])
