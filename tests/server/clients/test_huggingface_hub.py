"""The InferenceClient of huggingface_hub, with the server's address in place of a model's name."""

from __future__ import annotations

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from minilm import MiniLM
from tests.server.clients.expected import KEY, LONG, assert_vectors
from tests.serving import BOUND, A, B, Server


@pytest.mark.parametrize("path", ["", "/embed"])
def test_feature_extraction(with_key: Server, model: MiniLM, path: str) -> None:
    client = InferenceClient(with_key.url + path, token=KEY)
    assert_vectors(client.feature_extraction(A), model, [A])
    texts: list[str] = [A, B, LONG]
    assert_vectors(client.feature_extraction(texts), model, texts)


def test_vectors_that_are_not_scaled(with_key: Server, model: MiniLM) -> None:
    client = InferenceClient(with_key.url, token=KEY)
    vectors = client.feature_extraction(A, normalize=False, truncate=True, truncation_direction="right")
    length = np.linalg.norm(vectors)
    assert length > 1.1
    assert_vectors(vectors / length, model, [A])


def test_sentence_similarity(with_key: Server, model: MiniLM) -> None:
    client = InferenceClient(with_key.url, token=KEY)
    scores = client.sentence_similarity(A, other_sentences=[B, LONG])
    expected = model.similarity(model.encode([A]), model.encode([B, LONG]))[0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=BOUND)


def test_a_wrong_key_is_said(with_key: Server) -> None:
    with pytest.raises(HfHubHTTPError, match="key"):
        InferenceClient(with_key.url, token="wrong").feature_extraction(A)
