"""texts.py: what counts as text, and windows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minilm.text import inputs as texts
from minilm.text.inputs import as_texts, is_text, windows


def test_windows_hold_every_text_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "WINDOW_TEXTS", 3)
    monkeypatch.setattr(texts, "WINDOW_CHARACTERS", 10)
    given = ["a", "b", "c", "d", "e" * 10, "f", "g" * 4, "h" * 5, "i"]
    assert list(windows(given)) == [
        (0, ["a", "b", "c"]),  # full by number
        (3, ["d", "e" * 10]),  # full by characters
        (5, ["f", "g" * 4, "h" * 5]),
        (8, ["i"]),
    ]


def test_a_window_is_given_before_the_next_text_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "WINDOW_TEXTS", 2)
    taken: Counter[str] = Counter()

    def stream() -> object:
        for _ in range(5):
            taken["texts"] += 1
            yield "text"

    window = windows(stream())  # type: ignore[arg-type]
    next(window)
    assert taken["texts"] == 2


@pytest.mark.parametrize(
    "inputs", [b"bytes", bytearray(b"x"), {"a": 1}, {"a", "b"}, frozenset(), 5, None, 1.5]
)
def test_what_has_no_order_or_is_no_sequence_is_refused(inputs: object) -> None:
    with pytest.raises(
        TypeError, match=f"inputs must be a str or a sequence of str, not {type(inputs).__name__}"
    ):
        as_texts(inputs)  # type: ignore[arg-type]


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
