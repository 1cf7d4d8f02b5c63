"""A comparison in words."""

from __future__ import annotations

from minilm.trace.comparison import Comparison, Difference
from minilm.trace.report import comparison_text


def test_a_difference_comes_first_and_what_was_left_aside_last() -> None:
    one = Difference(
        "a.b", "layer 3, attention probabilities: masked keys have weight", ("index (0,): 1 there",)
    )
    text = comparison_text(Comparison(["x", "y", "a.b"], ["m"], ["u1", "u2", "u3", "u4"], one), "f")
    assert text.splitlines() == [
        "layer 3, attention probabilities: masked keys have weight",
        "tensor: a.b",
        "index (0,): 1 there",
        "2 tensors before it agree",
        "missing: m",
        "not compared, because minilm has no such tensor: u1, u2, u3, and 1 more",
    ]


def test_no_difference_has_the_largest_error() -> None:
    text = comparison_text(Comparison(["x"], largest=3e-7, largest_in="x"), "f")
    assert text.splitlines() == ["no difference in 1 tensors of f", "largest error: 3.0e-07 (1 + |x|), in x"]
