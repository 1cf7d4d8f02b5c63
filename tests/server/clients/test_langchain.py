"""LangChain's classes for OpenAI's, Ollama's and Hugging Face's services."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from minilm import MiniLM
from tests.server.clients.expected import KEY, LONG, assert_vectors
from tests.serving import A, B, Server


def test_openai_embeddings(with_key: Server, model: MiniLM) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    embeddings = langchain.OpenAIEmbeddings(
        base_url=f"{with_key.url}/v1", api_key=KEY, check_embedding_ctx_length=False
    )
    assert_vectors(embeddings.embed_documents([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embeddings.embed_query(A)], model, [A])


def test_openai_embeddings_at_their_defaults_are_told_what_to_set(
    with_key: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They send token ids of OpenAI's vocabulary, which would be other words in this model's."""
    langchain = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    litellm = find_spec("litellm")
    if litellm is None or litellm.origin is None:
        pytest.skip("litellm is not installed")
    # LiteLLM comes with a copy of that vocabulary, which tiktoken would download.
    tokenizers = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tokenizers))
    embeddings = langchain.OpenAIEmbeddings(base_url=f"{with_key.url}/v1", api_key=KEY)
    openai = pytest.importorskip("openai")
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        embeddings.embed_documents([A, B])


def test_ollama_embeddings(without_key: Server, model: MiniLM) -> None:
    langchain = pytest.importorskip("langchain_ollama", reason="langchain-ollama is not installed")
    embeddings = langchain.OllamaEmbeddings(model="all-minilm", base_url=without_key.url)
    assert_vectors(embeddings.embed_documents([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embeddings.embed_query(A)], model, [A])


def test_hugging_face_endpoint_embeddings(with_key: Server, model: MiniLM) -> None:
    """The class takes the name of a repository only; the client that it makes can be replaced."""
    langchain = pytest.importorskip("langchain_huggingface", reason="langchain-huggingface is not installed")
    hub = pytest.importorskip("huggingface_hub")
    embeddings = langchain.HuggingFaceEndpointEmbeddings(model="sentence-transformers/all-MiniLM-L6-v2")
    embeddings.client = hub.InferenceClient(with_key.url, token=KEY)
    assert_vectors(embeddings.embed_documents([A, B, LONG]), model, [A, B, LONG])
    assert_vectors([embeddings.embed_query(A)], model, [A])
