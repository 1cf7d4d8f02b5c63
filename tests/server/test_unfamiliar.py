"""minilm/server/unfamiliar.py: texts that the model can hardly read."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.server.unfamiliar import Unfamiliar


@pytest.mark.parametrize(
    "text",
    [
        "A girl is styling her hair.",
        "I am a boy.",  # two words of one letter, of four
        "1 2 3 4",
        "Der Hund schläft im Garten.",  # pieces of words, but not letters
        "...",
        "",
    ],
)
def test_what_the_vocabulary_has_is_familiar(model: MiniLM, text: str) -> None:
    assert Unfamiliar(model.tokenizer).indices(model.tokenizer.texts([text]).input_ids) == []


@pytest.mark.parametrize(
    "text", ["مرحبا بالعالم", "שלום עולם", "今天天气很好", "ᚠᚢᚦᚨᚱᚲ", "🤖🤖", "Привет, мир!"]
)
def test_letters_and_unknown_tokens_are_not(model: MiniLM, text: str) -> None:
    rows = model.tokenizer.texts(["A known text.", text, f"{text} {text}"]).input_ids
    assert Unfamiliar(model.tokenizer).indices(rows) == [1, 2]
