"""Which token ids are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.trace.files import Tensor, TraceError
from minilm.trace.inputs import Inputs, inputs_of_file, inputs_of_texts, text_difference
from tests.checkpoints import MakeCheckpoint


@pytest.fixture
def small(make_checkpoint: MakeCheckpoint) -> MiniLM:
    return MiniLM(make_checkpoint())


def of_file(model: MiniLM, **tensors: Any) -> Inputs | None:
    made = {name: Tensor(np.asarray(x), "float32") for name, x in tensors.items()}
    return inputs_of_file(model, made, "f")


def test_texts_are_padded_and_those_that_are_cut_are_counted(small: MiniLM) -> None:
    inputs, truncated = inputs_of_texts(small, ["a b", "a", "a " * 20])
    assert inputs.rows()[:2] == [[2, 5, 6, 3], [2, 5, 3]]
    assert inputs.attention_mask.sum(axis=1).tolist() == [4, 3, 16]
    assert truncated == 1


def test_a_text_alone_needs_neither_axis_nor_mask_nor_types(small: MiniLM) -> None:
    inputs = of_file(small, input_ids=[2, 5, 3])
    assert inputs is not None
    assert [x.tolist() for x in inputs] == [[[2, 5, 3]], [[1, 1, 1]], [[0, 0, 0]]]
    assert of_file(small, other=[1]) is None


def test_padding_on_any_side_and_in_any_amount_is_the_same_text(small: MiniLM) -> None:
    ours, _ = inputs_of_texts(small, ["a b", "a"])
    ids = [[2, 5, 6, 3, 0, 0], [0, 0, 0, 2, 5, 3]]
    theirs = of_file(small, input_ids=ids, attention_mask=np.array(ids) != 0)
    assert theirs is not None
    assert text_difference(theirs, ours, small) is None


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"input_ids": [[2, 0.5]]}, "f: input_ids has 0.5, which is no whole number"),
        ({"input_ids": [[2, np.nan]]}, "f: input_ids has nan, which is no whole number"),
        ({"input_ids": [[[2]]]}, r"f: input_ids has the shape \(1, 1, 1\), not \(texts, tokens\)"),
        ({"input_ids": 5}, r"f: input_ids has the shape \(\), not \(texts, tokens\)"),
        ({"input_ids": [[2, 99]]}, r"f: input_ids\[0\] has an id outside 0 to 39"),
        ({"input_ids": np.zeros((1, 0), int)}, r"f: input_ids\[0\] has 0 ids; a text has 1 to 24"),
        ({"input_ids": np.zeros((0, 3), int)}, "f: attention_mask must be 1 for at least one token"),
        ({"input_ids": [[2, 3, 0]]}, r"f: input_ids has padding \(0\), so write attention_mask as well"),
        ({"input_ids": [[2, 3]], "attention_mask": [[0, 0]]}, "f: attention_mask must be 1 for at least one"),
        (
            {"input_ids": [[2, 3]], "attention_mask": [[0, -10000]]},
            "f: attention_mask has -10000; its numbers are 0 to 1",
        ),
        (
            {"input_ids": [[2, 3]], "attention_mask": [[1]]},
            r"f: attention_mask has the shape \(1, 1\), not \(1, 2\), as input_ids",
        ),
        (
            {"input_ids": [[2, 3]], "token_type_ids": [[0, 2]]},
            "f: token_type_ids has 2; its numbers are 0 to 1",
        ),
    ],
)
def test_other_inputs_are_refused_by_name(tensors: dict[str, Any], message: str, small: MiniLM) -> None:
    with pytest.raises(TraceError, match=message):
        of_file(small, **tensors)


@pytest.mark.parametrize(
    ("rows", "types", "message"),
    [
        ([[2, 5, 3]], 0, "the token ids of text 0 differ at token 2: 3 ([SEP]) there, 6 (b) here"),
        ([[2, 5, 6]], 0, "the token ids of text 0 differ at token 3: nothing there, 3 ([SEP]) here"),
        ([[2, 5, 6, 3, 3]], 0, "the token ids of text 0 differ at token 4: 3 ([SEP]) there, nothing here"),
        ([[2, 5], [2, 5]], 0, "input_ids has 2 texts, not 1"),
        (
            [[2, 5, 6, 3]],
            1,
            "token_type_ids has other numbers than 0, the type of all tokens of a single text",
        ),
        ([[2, 5, 6, 3]], 0, None),
    ],
)
def test_other_texts_are_told(rows: list[list[int]], types: int, message: str | None, small: MiniLM) -> None:
    ours, _ = inputs_of_texts(small, ["a b"])
    theirs = of_file(small, input_ids=rows, token_type_ids=np.full_like(rows, types))
    assert theirs is not None
    assert text_difference(theirs, ours, small) == message
