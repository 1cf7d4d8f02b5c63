"""minilm/server/routes/openai.py: the routes by the client that people use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import MiniLM
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.serving import BOUND, A, B, Server, error_message


def test_the_openai_client_works_unchanged(server: Server, model: MiniLM) -> None:
    openai = pytest.importorskip("openai", reason="the openai client is not installed")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=[A, B])  # base64, by default
        np.testing.assert_allclose(
            [d.embedding for d in answer.data], model.encode([A, B]), rtol=0, atol=BOUND
        )
        assert (answer.usage.prompt_tokens, answer.usage.total_tokens, answer.object) == (18, 18, "list")
        short = client.embeddings.create(model="m", input=A, dimensions=64, encoding_format="float")
        expected = model.encode(A)[:64]
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(short.data[0].embedding, expected, rtol=0, atol=BOUND)
        assert [card.id for card in client.models.list()] == ["sentence-transformers/all-MiniLM-L6-v2"]
        assert client.models.retrieve("all-MiniLM-L6-v2").object == "model"
        with pytest.raises(openai.BadRequestError, match="input is empty"):
            client.embeddings.create(model="m", input=[])


def test_long_texts_are_cut_with_notice(server: Server) -> None:
    body = {"input": ["short", "word " * 400], "model": "m"}
    status, answer, headers = server.ask("/v1/embeddings", body)
    assert (status, answer["truncated"], answer["usage"]["prompt_tokens"]) == (200, [1], 3 + 256)
    assert (headers["x-truncated"], headers["x-truncated-count"]) == ("1", "1")


def test_without_auto_truncate_a_long_text_is_refused_with_400(model: MiniLM) -> None:
    with TestClient(create_app(model, ServerSettings(auto_truncate=False))) as client:
        answer = client.post("/v1/embeddings", json={"input": ["short", "word " * 255]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    expected = "input[1] is longer than the model's 256 tokens: the server has --no-auto-truncate"
    assert error["message"] == expected


def test_token_ids_are_refused_with_what_the_client_must_set(server: Server, model: MiniLM) -> None:
    ids = model.tokenizer.texts([A]).input_ids[0]
    for path, field in (("/v1/embeddings", "input"), ("/embed", "inputs")):
        inputs: list[Any] = [ids, [ids], [ids, ids[1:-1]], [[]]]
        for given in inputs:
            status, content, _ = server.ask(path, {field: given})
            assert status == (400 if path.startswith("/v1/") else 422)
            message = error_message(path, content)
            assert message.startswith(f"{field} has token ids, and this server takes texts")
            assert "check_embedding_ctx_length=False" in message
            assert "--token-ids wordpiece" in message


def test_token_ids_of_the_models_vocabulary_give_the_vector_of_the_text(model: MiniLM) -> None:
    ids = model.tokenizer.texts([A]).input_ids[0]
    with TestClient(create_app(model, ServerSettings(token_ids="wordpiece"))) as client:
        for given in (ids, ids[1:-1], [ids, ids[1:-1]]):
            for row in client.post("/v1/embeddings", json={"input": given}).json()["data"]:
                np.testing.assert_allclose(row["embedding"], model.encode(A), rtol=0, atol=BOUND)
            for vector in client.post("/embed", json={"inputs": given}).json():
                np.testing.assert_allclose(vector, model.encode(A), rtol=0, atol=BOUND)
        answer = client.post("/v1/embeddings", json={"input": [[101], [30522]]})
        message = "input[1] has the token id 30522, and the vocabulary 0 to 30521"
        assert answer.json()["error"]["message"] == message
        answer = client.post("/embed", json={"inputs": [[]]})
        assert answer.status_code == 400
        assert answer.json() == {"error": "inputs[0] has no token ids", "error_type": "Empty"}
