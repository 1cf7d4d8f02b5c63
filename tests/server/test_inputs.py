"""minilm/server/inputs.py: names of inputs in messages, and the side on which they are cut."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.server.inputs import Cutting, Places

TEXT = " ".join(f"{number}" for number in range(300))  # a token each


def test_an_input_is_called_by_its_index_or_its_own_name() -> None:
    assert Places("inputs")[3] == "inputs[3]"
    assert Places("inputs", ["inputs.source_sentence", "inputs.sentences[0]"])[1] == "inputs.sentences[0]"


@pytest.mark.parametrize(
    ("side", "first", "last"),
    [(None, 0, 253), ("right", 0, 253), ("Right", 0, 253), ("left", 46, 299), ("Left", 46, 299)],
)
def test_a_text_is_cut_on_the_side_that_is_asked_for(
    model: MiniLM, side: str | None, first: int, last: int
) -> None:
    tokenized = Cutting(model.pipeline).on(side).tokenize_window([TEXT], "")
    [ids] = tokenized.input_ids
    cls, sep = 101, 102  # around 254 numbers of the 300
    vocabulary = model.tokenizer.get_vocab()
    assert ids == [cls, *(vocabulary[str(number)] for number in range(first, last + 1)), sep]
    assert tokenized.is_truncated == [True]


def test_a_pipeline_is_made_once_for_each_side(model: MiniLM) -> None:
    cutting = Cutting(model.pipeline)
    assert cutting.on(None) is model.pipeline
    assert cutting.on("left") is cutting.on("Left")
