"""LlamaIndex's classes for OpenAI's, Ollama's and text-embeddings-inference's services."""

from __future__ import annotations

import pytest

from minilm import CrossEncoder, MiniLM
from tests.server.clients.expected import DOCUMENTS, KEY, LONG, QUERY, assert_ranking, assert_vectors
from tests.serving import A, B, Server


def test_openai_like_embedding(with_key: Server, model: MiniLM) -> None:
    package = "llama_index.embeddings.openai_like"
    llama_index = pytest.importorskip(package, reason="llama-index-embeddings-openai-like is not installed")
    embedding = llama_index.OpenAILikeEmbedding(model_name="m", api_base=f"{with_key.url}/v1", api_key=KEY)
    assert_vectors(embedding.get_text_embedding_batch([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embedding.get_query_embedding(A)], model, [A])


def test_text_embeddings_inference(with_key: Server, model: MiniLM) -> None:
    llama_index = pytest.importorskip(
        "llama_index.embeddings.text_embeddings_inference",
        reason="llama-index-embeddings-text-embeddings-inference is not installed",
    )
    embedding = llama_index.TextEmbeddingsInference(model_name="m", base_url=with_key.url, auth_token=KEY)
    assert_vectors(embedding.get_text_embedding_batch([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embedding.get_query_embedding(A)], model, [A])


def test_text_embeddings_inference_as_a_reranker(with_key: Server, reranker: CrossEncoder) -> None:
    package = "llama_index.postprocessor.tei_rerank"
    llama_index = pytest.importorskip(package, reason="llama-index-postprocessor-tei-rerank is not installed")
    schema = pytest.importorskip("llama_index.core.schema")
    nodes = [
        schema.NodeWithScore(node=schema.TextNode(id_=str(i), text=text)) for i, text in enumerate(DOCUMENTS)
    ]
    # unlike the class for embeddings, this one sends the token as it is
    postprocessor = llama_index.TextEmbeddingInference(base_url=with_key.url, auth_token=f"Bearer {KEY}")
    ranking = postprocessor.postprocess_nodes(nodes, query_str=QUERY)
    assert_ranking([(int(item.node.node_id), item.score) for item in ranking], reranker)


def test_ollama_embedding(without_key: Server, model: MiniLM) -> None:
    package = "llama_index.embeddings.ollama"
    llama_index = pytest.importorskip(package, reason="llama-index-embeddings-ollama is not installed")
    embedding = llama_index.OllamaEmbedding(model_name="all-minilm", base_url=without_key.url)
    assert_vectors(embedding.get_text_embedding_batch([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embedding.get_query_embedding(A)], model, [A])
