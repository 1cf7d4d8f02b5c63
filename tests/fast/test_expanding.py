"""fast/expanding.py: which tokens are added, and who sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minilm import encoder
from minilm.errors import CheckpointError
from minilm.fast.expanding import ExpandingEngine, QueryExpansion
from minilm.fast.parameters import pack_parameters
from tests.checkpoints import TINY, random_parameters

ROWS = [[2, 7, 3], [2, 8, 9, 10, 11, 12, 3], [2, 3], [2, 9, 8, 7, 3]]
PARAMETERS = random_parameters(TINY, 0, np.float32)


def engine(expansion: QueryExpansion, threads: int = 1) -> ExpandingEngine:
    return ExpandingEngine(
        pack_parameters(PARAMETERS, TINY),
        threads,
        expansion=expansion,
        config=TINY,
        textbook=lambda: PARAMETERS,
    )


def last_states(made: ExpandingEngine, advance: Callable[[int], object] | None = None) -> list[np.ndarray]:
    return made.run(ROWS, lambda states: [row.copy() for row in states], pack_tokens=12, advance=advance)


def test_fill_adds_tokens_up_to_the_length_only() -> None:
    expansion = QueryExpansion(5, 4, is_fixed=True, attend=False)
    assert expansion.fill([2, 7, 3]) == [2, 7, 3, 4, 4]
    assert expansion.fill([1, 2, 3, 4, 5, 6]) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("attend", [False, True])
def test_added_tokens_see_the_query_and_are_seen_if_that_is_wanted(attend: bool, threads: int) -> None:
    expansion = QueryExpansion(6, 4, is_fixed=False, attend=attend)
    done: list[int] = []
    states = last_states(engine(expansion, threads), done.append)
    assert sum(done) == len(ROWS)
    for mine, row in zip(states, ROWS, strict=True):
        filled = np.array([expansion.fill(row)])
        seen = np.array([[1] * len(row) + [int(attend)] * (len(filled[0]) - len(row))])
        expected = encoder.encode(filled, seen, PARAMETERS, TINY)[0]
        np.testing.assert_allclose(mine, expected, rtol=0, atol=5e-6)  # values reach 3; another order of sums
    alone = encoder.encode(np.array(ROWS[:1]), np.ones((1, 3), np.int64), PARAMETERS, TINY)[0]
    unseen = np.abs(states[0][:3] - alone).max()
    assert (unseen > 1e-2) if attend else (unseen < 5e-6)


def test_an_added_token_does_not_depend_on_the_number_of_the_others() -> None:
    few, many = (last_states(engine(QueryExpansion(n, 4, is_fixed=True, attend=False))) for n in (6, 12))
    np.testing.assert_allclose(few[0], many[0][:6], rtol=0, atol=5e-6)  # another order of sums


def test_what_is_long_enough_is_not_filled_up() -> None:
    states = last_states(engine(QueryExpansion(3, 4, is_fixed=False, attend=False)))
    assert [len(row) for row in states] == [3, 7, 3, 5]


def test_a_multiple_that_is_too_long_for_the_model_is_not_needed() -> None:
    expansion = QueryExpansion(20, 4, is_fixed=True, attend=False)  # 2 x 13 would be 26 tokens, of 24
    row = [2, *range(5, 16), 3]
    [mine] = engine(expansion).run([row], lambda states: [states[0].copy()], pack_tokens=12)
    mask = np.array([[1] * 13 + [0] * 7])
    expected = encoder.encode(np.array([expansion.fill(row)]), mask, PARAMETERS, TINY)[0]
    np.testing.assert_array_equal(mine, expected)


def test_a_result_that_is_not_finite_is_an_error() -> None:
    made = engine(QueryExpansion(6, 4, is_fixed=True, attend=False))
    with pytest.raises(CheckpointError, match="damaged"):
        made.run([[2, 3]], lambda states: states * np.nan, pack_tokens=12)
