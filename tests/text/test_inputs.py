"""text/inputs.py: what counts as text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from minilm.text.inputs import as_texts, check_text, is_missing, is_text, item_text_or_pair


@pytest.mark.parametrize(
    "inputs", [b"bytes", bytearray(b"x"), {"a": 1}, {"a", "b"}, frozenset(), 5, None, 1.5]
)
def test_what_has_no_order_or_is_no_sequence_is_refused(inputs: object) -> None:
    with pytest.raises(
        TypeError, match=f"inputs must be a str or a sequence of str, not {type(inputs).__name__}"
    ):
        as_texts(inputs)


@pytest.mark.parametrize("inputs", ["text", np.str_("text"), np.array("text")])
def test_a_single_text_is_known_as_one(inputs: str) -> None:
    assert as_texts(inputs) == (["text"], True)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ("a", True),
        (["a"], True),
        (("a",), True),
        (np.array(["a"]), True),
        (np.array(["a"], dtype=object), True),
        ([], False),
        ([1.0], False),
        (np.ones(3), False),
        (np.array([], dtype=object), False),
        (pd.Series(["a"]), True),
        (pd.Series([None, "a"]), True),
        (pd.Series([1.0]), False),
        (pd.Series([np.ones(2)]), False),
        ([np.ones(2)], False),
        ([None], False),
        (b"a", False),
        (3, False),
    ],
)
def test_texts_are_told_from_numbers(x: object, expected: bool) -> None:
    assert is_text(x) is expected


FRAME = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})


@pytest.mark.parametrize("table", [FRAME, FRAME[["text"]], FRAME.iloc[:0]])
def test_a_frame_is_refused_with_the_way_to_pass_a_column(table: pd.DataFrame) -> None:
    with pytest.raises(TypeError, match=r"^inputs is a DataFrame of pandas, a table: pass df\['text'\]"):
        as_texts(table)


def test_tables_and_columns_of_pyarrow() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pyarrow.table({"text": ["a", None]})
    for one in (table, table.to_batches()[0]):
        with pytest.raises(TypeError, match="of pyarrow, a table"):
            as_texts(one)
    for column in (table["text"], table["text"].chunk(0), pd.Series(table["text"].to_pandas())):
        assert [is_missing(item) for item in as_texts(column)[0]] == [False, True]
    arrow = pd.Series(["a", None], dtype=pd.ArrowDtype(pyarrow.string()))
    assert [is_missing(item) for item in as_texts(arrow)[0]] == [False, True]


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (None, "None"),
        (float("nan"), "NaN"),
        (np.float32("nan"), "NaN"),
        (pd.NA, "<NA>"),
        (pd.NaT, "NaT"),
        (np.datetime64("NaT", "s"), "NaT"),
    ],
)
def test_a_missing_value_is_called_missing(item: object, shown: str) -> None:
    assert is_missing(item)
    message = rf"^inputs\[1\] is missing \({shown}\): leave it out"
    with pytest.raises(TypeError, match=message):
        item_text_or_pair(1, item)
    with pytest.raises(TypeError, match=message):
        check_text("inputs[1]", item)


@pytest.mark.parametrize("item", ["", "None", 0, 1.5, np.datetime64("2020-01-01"), [], b""])
def test_other_values_are_not_missing(item: object) -> None:
    assert not is_missing(item)


def test_a_pair_of_texts_is_one_input() -> None:
    assert item_text_or_pair(0, ["a", np.str_("b")]) == ("a", "b")
    with pytest.raises(TypeError, match=r"inputs\[2\]\[1\] is missing \(None\)"):
        item_text_or_pair(2, ("a", None))
    with pytest.raises(ValueError, match=r"inputs\[2\]\[1\] holds the lone surrogate"):
        item_text_or_pair(2, ("a", "\ud800"))
    for three in (["a"], ["a", "b", "c"], ["a", 3]):
        with pytest.raises(TypeError, match=r"inputs\[2\] is list, not str"):
            item_text_or_pair(2, three)
    assert as_texts(np.array([["a", "b"]])) == ([["a", "b"]], False)
