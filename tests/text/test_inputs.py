"""text/inputs.py: what counts as text."""

from __future__ import annotations

import numpy as np
import pytest

from minilm.text.inputs import as_texts, is_text


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
    ],
)
def test_texts_are_told_from_numbers(x: object, expected: bool) -> None:
    assert is_text(x) is expected
