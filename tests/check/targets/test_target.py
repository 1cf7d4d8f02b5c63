"""What counts as vectors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from minilm.check.targets.target import RefusedError, TargetError, checked_vectors, parse_json


@pytest.mark.parametrize(
    "answer", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], np.float16), ((1, 2), (3, 4))]
)
def test_lists_and_arrays_are_vectors(answer: Any) -> None:
    vectors = checked_vectors(answer, 2, "f")
    assert vectors.dtype == np.float64
    assert vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "f: asked for 2 vectors, got None"),
        (3, "f: asked for 2 vectors, got 3"),
        ([[1, 2]], "f: asked for 2 vectors, got 1"),
        ([[], []], r"got arrays of the shapes \(0,\)"),
        ([1.0, 2.0], r"of one length, got arrays of the shapes \(\)"),
        ([["x"], ["y"]], "asked for 2 vectors, got 'x' in component 0 of vector 0, which is not a number"),
        ([[0.5, 1], [0.5, "0.5"]], "got '0.5' in component 1 of vector 1, which is not a number"),
        ([[0.5, 1], [0.5, True]], "got True in component 1 of vector 1, which is not a number"),
        ([[True, False], [True, True]], "got True in component 0 of vector 0, which is not a number"),
        (np.array([[True], [False]]), "in component 0 of vector 0, which is not a number"),
        (np.array([["1"], ["2"]]), "in component 0 of vector 0, which is not a number"),
        ([[1], [10**400]], r"asked for 2 vectors, got \[\[1\], \[10000"),
        ([[json.loads("[" * 200 + "]" * 200)]] * 2, r"asked for 2 vectors, got \[\[\[\[\[\[\[\.\.\.\]"),
        ([{"a": 1}, {"a": 2}], "asked for 2 vectors, got"),
    ],
)
def test_anything_else_is_an_error_that_says_what_came(answer: Any, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        checked_vectors(answer, 2, "f")


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "NaN"), (float("inf"), "inf"), (None, "null")])
def test_a_component_that_is_no_number_refuses_the_text(value: object, shown: str) -> None:
    with pytest.raises(RefusedError, match=f"got {shown} in component 1 of vector 1"):
        checked_vectors([[1, 2], [1, value]], 2, "f")


def test_json_that_is_nested_too_deeply_names_the_target() -> None:
    assert parse_json(b'{"a": [1]}', "f") == {"a": [1]}
    with pytest.raises(TargetError, match=r"^f: the JSON is nested too deeply$"):
        parse_json(b"[" * 200_000, "f")
