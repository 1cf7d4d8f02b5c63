"""OpenAI's client for Python."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from tests.server.clients.expected import KEY, LONG, assert_vectors
from tests.serving import A, B, Server

openai = pytest.importorskip("openai", reason="openai is not installed")


def test_vectors_and_models(with_key: Server, model: MiniLM) -> None:
    with openai.OpenAI(base_url=f"{with_key.url}/v1", api_key=KEY) as client:
        (card,) = client.models.list()
        answer = client.embeddings.create(model=card.id, input=[A, B, LONG])
        assert answer.model == card.id == client.models.retrieve(card.id).id
        assert_vectors([item.embedding for item in answer.data], model, [A, B, LONG])


def test_a_wrong_key_is_an_authentication_error(with_key: Server) -> None:
    with (
        openai.OpenAI(base_url=f"{with_key.url}/v1", api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError, match="key"),
    ):
        client.embeddings.create(model="m", input=A)


def test_a_wrong_request_is_a_bad_request(with_key: Server) -> None:
    with (
        openai.OpenAI(base_url=f"{with_key.url}/v1", api_key=KEY) as client,
        pytest.raises(openai.BadRequestError, match="dimensions"),
    ):
        client.embeddings.create(model="m", input=A, dimensions=0)
