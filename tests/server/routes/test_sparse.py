"""routes/sparse.py and schemas/sparse.py: /embed_sparse, in the form of text-embeddings-inference."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import MiniLM, SparseEncoder
from minilm.server.app import create_app
from minilm.server.routes import sparse
from tests.checkpoints import MakeCheckpoint, write_sparse_encoder
from tests.serving import Server


def test_sparse_embeddings_are_refused_without_a_sparse_encoder(server: Server) -> None:
    for body in ({"inputs": "a"}, {}):
        status, answer, _ = server.ask("/embed_sparse", body)
        assert (status, answer["error_type"]) == (424, "Backend")
        assert "start it with --sparse-encoder MODEL" in answer["error"]


def test_embed_sparse_gives_the_weights_by_token_id(
    model: MiniLM, make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_of_words = SparseEncoder(write_sparse_encoder(make_checkpoint))
    with TestClient(create_app(model, sparse_encoder=model_of_words)) as client:
        for inputs, texts in (("a b", ["a b"]), (["a b", "", "c"], ["a b", "", "c"])):
            answer = client.post("/embed_sparse", json={"inputs": inputs})
            expected = model_of_words.encode(texts, convert_to_sparse_tensor=False)
            assert isinstance(expected, np.ndarray)
            dense = np.zeros_like(expected)
            assert len(answer.json()) == len(texts)
            for row, values in zip(dense, answer.json(), strict=True):
                indices = [value["index"] for value in values]
                assert indices == sorted({*indices})
                row[indices] = [value["value"] for value in values]
                assert all(value["value"] > 0 and value.keys() == {"index", "value"} for value in values)
            np.testing.assert_allclose(dense, expected, rtol=0, atol=1e-6)  # float32, in other packs
        long = client.post("/embed_sparse", json={"inputs": ["a", "b " * 30]})
        assert (long.status_code, long.headers["X-Truncated"]) == (200, "1")
        refused = [
            ({"inputs": "b " * 30, "truncate": False}, 413, "inputs is longer than the model's 24 tokens"),
            ({"inputs": "a", "prompt_name": "x"}, 422, "prompt_name"),
            ({"inputs": [5, 6]}, 422, "inputs"),
            ({"inputs": []}, 400, "inputs is empty"),
            ({"inputs": "a", "normalize": True}, 422, "normalize"),  # the weights do not have length 1
        ]
        for body, status, says in refused:
            answer = client.post("/embed_sparse", json=body)
            assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.json()
        monkeypatch.setattr(sparse, "MAX_VALUES", 3)
        answer = client.post("/embed_sparse", json={"inputs": "a b"})
        assert (answer.status_code, "weights; /embed_sparse answers 3" in answer.json()["error"]) == (
            413,
            True,
        )
