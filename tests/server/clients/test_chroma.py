"""Chroma's embedding functions that ask a service."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from tests.server.clients.expected import KEY, LONG, assert_vectors
from tests.serving import A, B, Server

functions = pytest.importorskip("chromadb.utils.embedding_functions", reason="chromadb is not installed")


def test_openai_embedding_function(with_key: Server, model: MiniLM) -> None:
    pytest.importorskip("openai", reason="openai is not installed")
    embed = functions.OpenAIEmbeddingFunction(api_key=KEY, api_base=f"{with_key.url}/v1", model_name="m")
    assert_vectors(embed([A, B, LONG]), model, [A, B, LONG])


def test_hugging_face_embedding_server(
    with_key: Server, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMA_HUGGINGFACE_API_KEY", KEY)
    embed = functions.HuggingFaceEmbeddingServer(
        url=f"{with_key.url}/embed", api_key_env_var="CHROMA_HUGGINGFACE_API_KEY"
    )
    assert_vectors(embed([A, B, LONG]), model, [A, B, LONG])


def test_ollama_embedding_function(without_key: Server, model: MiniLM) -> None:
    pytest.importorskip("ollama", reason="ollama is not installed")
    embed = functions.OllamaEmbeddingFunction(url=without_key.url, model_name="all-minilm")
    assert_vectors(embed([A, B, LONG]), model, [A, B, LONG])
