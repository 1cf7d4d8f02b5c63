"""Ollama's client for Python."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from tests.server.clients.expected import KEY, LONG, assert_vectors
from tests.serving import A, B, Server

ollama = pytest.importorskip("ollama", reason="ollama is not installed")


def test_vectors(without_key: Server, model: MiniLM) -> None:
    client = ollama.Client(host=without_key.url)
    assert_vectors(client.embed(model="all-minilm", input=[A, B, LONG]).embeddings, model, [A, B, LONG])
    assert_vectors(client.embed(model="all-minilm", input=A).embeddings, model, [A])
    assert_vectors([client.embeddings(model="all-minilm", prompt=A).embedding], model, [A])


def test_models(without_key: Server) -> None:
    client = ollama.Client(host=without_key.url)
    (listed,) = client.list().models
    assert client.show(listed.model).details.family == "bert"


def test_a_key_as_a_header(with_key: Server, model: MiniLM) -> None:
    client = ollama.Client(host=with_key.url, headers={"Authorization": f"Bearer {KEY}"})
    assert_vectors(client.embed(model="all-minilm", input=A).embeddings, model, [A])
    with pytest.raises(ollama.ResponseError, match="key"):
        ollama.Client(host=with_key.url).embed(model="all-minilm", input=A)
