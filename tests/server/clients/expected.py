"""What every client must get: the vectors of the model, and the ranking of the reranker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from minilm import CrossEncoder, MiniLM
from tests.serving import BOUND, A, B

KEY = "a-long-random-word"
# Cut at 256 tokens: what a client gets for it at its defaults is the vector of its beginning.
LONG = "word " * 400
QUERY, DOCUMENTS = "a b", ["x y z", "a b c", "b"]


def assert_vectors(vectors: Any, model: MiniLM, texts: Iterable[str] = (A, B)) -> None:
    """The vectors are those of ``MiniLM.encode``."""
    # float32, passed on exactly, as base64 or in decimal
    np.testing.assert_allclose(np.asarray(vectors, np.float64), model.encode(list(texts)), rtol=0, atol=BOUND)


def assert_ranking(ranking: Iterable[tuple[int, float]], reranker: CrossEncoder) -> None:
    """The documents, the best first, have the scores of ``CrossEncoder.predict``."""
    scores = reranker.predict([(QUERY, document) for document in DOCUMENTS])
    best_first = np.argsort(-scores, kind="stable")
    indices, values = zip(*ranking, strict=True)
    assert list(indices) == best_first.tolist() != [0, 1, 2]
    np.testing.assert_allclose(values, scores[best_first], rtol=0, atol=BOUND)
