"""_arrays.py: an array that grows, and what becomes an array or a tensor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from minilm._arrays import GrowingArray, as_array, as_tensor, as_tensors, is_tensor, rows_of


@pytest.mark.parametrize("expected_rows", [0, 1, 3, 7, 20])
@pytest.mark.parametrize("sizes", [[], [7], [3, 4], [1, 2, 4], [1] * 7])
def test_rows_come_back_in_order_whatever_number_was_expected(expected_rows: int, sizes: list[int]) -> None:
    growing = GrowingArray(expected_rows, 3)
    rows = np.arange(3.0 * sum(sizes), dtype=np.float32).reshape(-1, 3)
    start = 0
    for size in sizes:
        growing.extend(list(rows[start : start + size]))
        start += size
        assert len(growing) == start
    assert growing.array().dtype == np.float32
    np.testing.assert_array_equal(growing.array(), rows)


def test_an_array_of_the_expected_length_is_never_copied() -> None:
    growing = GrowingArray(4, 2)
    growing.extend(list(np.ones((1, 2), np.float32)))
    growing.extend(list(np.ones((3, 2), np.float32)))
    assert growing.array() is growing.array()
    assert growing.array().shape == (4, 2)


def test_rows_of_another_width_are_refused() -> None:
    growing = GrowingArray(0, 3)
    with pytest.raises(ValueError, match="could not broadcast"):
        growing.extend([np.ones(2, np.float32)])


def test_whatever_holds_numbers_becomes_an_array() -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    for same in (rows, [*rows], iter(rows), pd.Series([*rows]), rows.tolist(), pd.Series(rows.tolist())):
        np.testing.assert_array_equal(as_array(same), rows)
    assert as_array(rows) is rows  # may be memory-mapped
    assert as_array(pd.Series(["a", "b"])).dtype.kind in "OU"
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    np.testing.assert_array_equal(as_array(pyarrow.array(rows.tolist())), rows)


def test_what_is_no_tensor_is_told_without_torch() -> None:
    assert not any(map(is_tensor, (np.ones(2), [np.ones(2)], [], (), "torch", None)))
    assert as_tensor("text") == "text"
    assert as_tensors([], True) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("word", "input_ids"), ("token_type", "token_type_ids"), ("position", "positions")]
)
def test_an_id_without_a_row_is_refused_by_the_name_of_the_argument(kind: str, name: str) -> None:
    table = np.arange(6.0).reshape(3, 2)
    assert rows_of(table, np.array([[2, 0]]), kind).tolist() == [[[4, 5], [0, 1]]]
    assert rows_of(table, np.empty((1, 0), int), kind).shape == (1, 0, 2)
    for ids, found in (([3, 1], "1 to 3"), ([-1], "-1 to -1")):
        with pytest.raises(ValueError, match=f"^{name} must lie in 0 to 2, not {found}$"):
            rows_of(table, np.array(ids), kind)
