"""minilm/server/sparse_encoding.py: what a sparse encoder answers from behind its queue."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from minilm import MiniLM, SparseEmbeddings, SparseEncoder
from minilm.server.responses import RequestError
from minilm.server.service import Service
from minilm.server.settings import ServerSettings
from minilm.server.sparse_encoding import SparseEncoding
from tests.checkpoints import MakeCheckpoint, write_sparse_encoder


def test_rows_are_those_of_the_sparse_encoder(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    sparse = SparseEncoder(write_sparse_encoder(make_checkpoint), max_active_dims=5, prompts={"query": "d "})
    behind = SparseEncoding(sparse, Service(model, ServerSettings()))
    texts = ["a b c", "", "d", "a " * 30]
    rows, truncated = asyncio.run(behind.encode(texts, prompt_name="query"))
    assert truncated == [3]
    expected = sparse.encode(texts[:3], prompt_name="query")
    assert isinstance(expected, SparseEmbeddings)
    assert [indices.astype(int).tolist() for indices, _ in rows[:3]] == [
        row.indices.tolist() for row in expected
    ][:3]
    for i in range(3):
        # float32 and two layers; another pack may round in another order
        np.testing.assert_allclose(rows[i][1], expected[i].data, rtol=0, atol=1e-6)
    left, _ = asyncio.run(behind.encode(["d " + "a " * 30], side="left"))
    cut, _ = asyncio.run(behind.encode(["a " * 22]))
    np.testing.assert_allclose(left[0], cut[0], rtol=0, atol=1e-6)  # the d is gone
    with pytest.raises(RequestError, match="prompt_name must be one of query"):
        asyncio.run(behind.encode(["a"], prompt_name="nothing"))
    behind.batcher.stop()
