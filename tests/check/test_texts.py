"""The texts that are sent."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.check.texts import CLASSES, LENGTHS, chosen_texts, of_length


def test_there_are_200_texts_each_once() -> None:
    texts = [text for members in CLASSES.values() for text in members]
    assert len(texts) == len(set(texts)) == 200
    quick = [text for members in chosen_texts(quick=True).values() for text in members]
    assert len(quick) == len(set(quick)) == 40
    assert set(quick) < set(texts)
    assert chosen_texts() == CLASSES


@pytest.mark.parametrize("tokens", LENGTHS)
def test_a_text_is_as_long_as_it_says(tokens: int, model: MiniLM) -> None:
    assert len(model.pipeline.tokenizer.backend_of_length(None).encode(of_length(tokens)).ids) == tokens


def test_plain_texts_have_nothing_that_tokenizers_differ_on() -> None:
    for text in CLASSES["plain"]:
        assert text.isascii()
        assert text == text.lower()
        assert text.replace(" ", "").isalpha()
