"""minilm/server/routes/information.py: what is said about the server is true."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import MiniLM, __version__
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings


def test_info_has_the_fields_of_text_embeddings_inference(model: MiniLM) -> None:
    settings = ServerSettings(max_texts=5, max_queue_tokens=100, served_model_names=("one", "two"))
    with TestClient(create_app(model, settings)) as client:
        answer = client.get("/info").json()
    assert answer["model_id"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert answer["served_model_name"] == "one"
    assert answer["model_type"] == {"embedding": {"pooling": "mean"}}
    assert answer["model_dtype"] == str(np.asarray(model.encode("a")).dtype)
    assert (answer["max_input_length"], answer["max_client_batch_size"]) == (256, 5)
    assert answer["max_concurrent_requests"] == 50  # a text has two tokens at least
    assert answer["max_batch_tokens"] == 512 * model.threads
    assert answer["version"] == __version__
    nothing = ("max_batch_requests", "sha", "docker_label")
    assert [answer[name] for name in nothing] == [None, None, None]


def test_auto_truncate_says_what_happens_to_long_texts(model: MiniLM) -> None:
    with TestClient(create_app(model)) as client:
        is_cut = client.post("/embed", json={"inputs": "word " * 400}).status_code == 200
        assert client.get("/info").json()["auto_truncate"] == is_cut


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_the_state_of_the_server_needs_no_key(model: MiniLM, path: str) -> None:
    with TestClient(create_app(model, ServerSettings(api_keys=("secret",)))) as client:
        assert client.get(path).json() == {"status": "ok"}
        assert client.get("/info").status_code == 401
