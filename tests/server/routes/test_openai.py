"""minilm/server/routes/openai.py: the routes by the client that people use."""

from __future__ import annotations

import numpy as np
import pytest

from minilm import MiniLM
from tests.serving import BOUND, A, B, Server


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
        ids = model.tokenizer.texts([A]).input_ids[0]
        for given in (ids, ids[1:-1], [ids, ids[1:-1]]):
            by_ids = client.embeddings.create(model="m", input=given)
            for row in by_ids.data:
                np.testing.assert_allclose(row.embedding, model.encode(A), rtol=0, atol=BOUND)
        assert [card.id for card in client.models.list()] == ["sentence-transformers/all-MiniLM-L6-v2"]
        assert client.models.retrieve("all-MiniLM-L6-v2").object == "model"
        with pytest.raises(openai.BadRequestError, match="input is empty"):
            client.embeddings.create(model="m", input=[])


def test_long_texts_are_cut_with_notice_or_refused(server: Server) -> None:
    long = "word " * 400
    status, answer, _ = server.ask("/v1/embeddings", {"input": ["short", long], "model": "m"})
    assert (status, answer["truncated"], answer["usage"]["prompt_tokens"]) == (200, [1], 3 + 256)
    status, answer, _ = server.ask("/embed", {"inputs": [long]})
    assert (status, answer["error_type"]) == (413, "Validation")
    assert server.ask("/embed", {"inputs": [long], "truncate": True})[0] == 200
