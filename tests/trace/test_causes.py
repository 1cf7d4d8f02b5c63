"""Each known cause is named when a file has the numbers that it gives."""

from __future__ import annotations

import numpy as np
import pytest

from minilm import MiniLM
from minilm.tokenizer import pad
from minilm.trace.comparison import Comparer
from minilm.trace.files import Tensor
from minilm.trace.inputs import Inputs
from minilm.trace.names import title
from minilm.trace.oracle import Oracle

ROWS = [[101, 7592, 2088, 102], [101, 7592, 102]]


@pytest.fixture(scope="module")
def comparer(model: MiniLM) -> Comparer:
    ids, mask = pad(ROWS)
    return Comparer(Oracle(model), Inputs(ids, mask, np.zeros_like(ids)))


def names(comparer: Comparer) -> list[str]:
    return [name for name in comparer.ours if name not in Inputs._fields and "layer." not in name] + [
        name for name in comparer.ours if name.startswith(("encoder.layer.0", "encoder.layer.3"))
    ]


def test_a_cause_is_named_by_its_own_numbers_and_those_that_change_nothing_are_not(
    comparer: Comparer,
) -> None:
    causes, said = comparer._causes, set()
    for name in names(comparer):
        for cause, tensor in causes.of(name):
            values = np.broadcast_to(tensor, comparer.ours[name].shape).astype(np.float64)
            result = comparer.compare({name: Tensor(values, "float32")})
            if result.difference:
                assert result.difference.says == f"{title(name)}: {cause}"
                said.add(cause)
    assert len(said) > 35
    # this model has the exact GELU, mean pooling, eps 1e-12, and vectors of length 1
    for right in ("GELU is exact (erf)", "the pooling is mean", "the vector is scaled to length 1"):
        assert right not in said


def test_eps_is_found_in_the_embeddings_of_the_real_model(comparer: Comparer) -> None:
    found = {cause for cause, _ in comparer._causes.of("embeddings.LayerNorm")}
    assert "eps is 1e-05, not 1e-12" in found
    assert not any(cause.startswith("eps is 1e-12") for cause in found)
