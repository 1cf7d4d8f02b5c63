"""The first tensor that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm._arrays import AnyArray
from minilm.tokenizer import pad
from minilm.trace.comparison import TOLERANCES, Comparer, Comparison
from minilm.trace.files import Tensor
from minilm.trace.inputs import Inputs
from minilm.trace.oracle import Oracle
from tests.checkpoints import MakeCheckpoint

PROBS = "encoder.layer.1.attention.self.attention_probs"
SCORES = "encoder.layer.1.attention.self.attention_scores"
STATES = "encoder.layer.1.output.LayerNorm"


@pytest.fixture
def oracle(make_checkpoint: MakeCheckpoint) -> Oracle:
    return Oracle(MiniLM(make_checkpoint()))


def comparer(
    oracle: Oracle, tolerance: float | None = None, rows: Any = ((2, 5, 6, 3), (2, 7, 3))
) -> Comparer:
    ids, mask = pad(rows)
    return Comparer(oracle, Inputs(ids, mask, np.zeros_like(ids)), tolerance)


def compared(
    one: Comparer, changed: dict[str, AnyArray] | None = None, precision: str = "float32"
) -> Comparison:
    tensors = {**one.ours, **(changed or {})}
    return one.compare({name: Tensor(x, precision) for name, x in tensors.items()})


def test_the_same_tensors_have_no_difference(oracle: Oracle) -> None:
    one = comparer(oracle)
    result = compared(one)
    assert (result.difference, result.missing, result.unknown) == (None, [], [])
    assert result.compared == [*one.ours][3:]


def test_the_first_in_the_order_of_computation_is_named_with_index_and_both_values(oracle: Oracle) -> None:
    one = comparer(oracle)
    late, early = one.ours[STATES].copy(), one.ours["encoder.layer.0.output.dense"].copy()
    late[0, 0, 0] += 1
    early[1, 2, 3], early[0, 1, 1] = 7.5, early[0, 1, 1] + 0.01
    result = one.compare(
        {STATES: Tensor(late, "float32"), "encoder.layer.0.output.dense": Tensor(early, "float32")}
    )
    assert result.difference is not None
    assert result.difference.name == "encoder.layer.0.output.dense"
    assert result.difference.says == (
        "layer 0, feed-forward output: the numbers differ; all that goes into them agrees"
    )
    here = one.ours["encoder.layer.0.output.dense"][1, 2, 3]
    assert result.difference.details == (
        f"index (1, 2, 3): 7.5 there, {here:.9g} here",
        "2 of 128 numbers differ by more than 5e-05 (1 + |x|)",
    )


def test_padding_does_not_count_but_the_weight_of_a_masked_key_does(oracle: Oracle) -> None:
    one = comparer(oracle)
    states, scores, probs = (one.ours[name].copy() for name in (STATES, SCORES, PROBS))
    states[1, 3] = np.nan
    scores[1, :, :, 3], scores[1, :, 3] = -np.inf, 5
    probs[1, :, 3] = 9
    changed = {STATES: states, SCORES: scores, PROBS: probs}
    assert compared(one, changed).difference is None
    probs[1, 0, 0, 3] = 0.01
    result = compared(one, {PROBS: probs})
    assert result.difference is not None
    assert result.difference.says == "layer 1, attention probabilities: masked keys have weight"
    assert result.difference.details[0] == "index (1, 0, 0, 3): 0.01 there, 0 here"


def test_nan_and_infinity_are_differences(oracle: Oracle) -> None:
    one = comparer(oracle)
    for value, says in (
        (np.nan, "not a number"),
        (np.inf, "the numbers differ; all that goes into them agrees"),
    ):
        states = one.ours[STATES].copy()
        states[0, 1, 2] = value
        result = compared(one, {STATES: states})
        assert result.difference is not None
        assert result.difference.says.endswith(f"after layer norm: {says}")
        assert result.difference.details[0].startswith(f"index (0, 1, 2): {value} there")


def test_another_shape_is_a_difference_but_for_the_axis_of_a_single_text(oracle: Oracle) -> None:
    one = comparer(oracle)
    result = compared(one, {"sentence_embedding": np.ones((2, 17))})
    assert result.difference is not None
    assert result.difference.says == (
        "vector, as encode returns it: the shape is (2, 17), not (2, 16) (texts, components of a vector)"
    )
    alone = comparer(oracle, rows=[[2, 5, 3]])
    assert alone.compare({n: Tensor(x[0], "float32") for n, x in alone.ours.items()}).difference is None


def test_the_tolerance_is_that_of_the_dtype_unless_one_is_given(oracle: Oracle) -> None:
    one, exact = comparer(oracle), comparer(oracle, tolerance=1e-9)
    states = one.ours[STATES]
    for precision, limit in TOLERANCES.items():
        for factor in (0.9, 1.1):
            moved = states + factor * limit * (1 + np.abs(states))
            changed = {STATES: moved}
            assert (compared(one, changed, precision).difference is None) == (factor < 1)
            assert compared(exact, changed, precision).difference is not None


def test_what_is_missing_and_what_is_unknown_are_listed(oracle: Oracle) -> None:
    one = comparer(oracle)
    result = one.compare({STATES: Tensor(one.ours[STATES], "float32"), "mine": Tensor(np.ones(1), "float32")})
    assert (result.compared, result.unknown) == ([STATES], ["mine"])
    assert len(result.missing) == len(one.ours) - 4
    assert (result.largest, result.largest_in) == (0.0, STATES)


def test_rows_of_probabilities_that_do_not_sum_to_1_are_told(oracle: Oracle) -> None:
    one = comparer(oracle)
    result = compared(one, {PROBS: one.ours[PROBS] * 1.5})
    assert result.difference is not None
    assert result.difference.says.endswith("the weights that a query gives to all keys do not sum to 1")
