"""spans.py: where tokens and words stand in a text, with and without a prompt before it."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.text.spans import Token, Word, words_of_tokens
from minilm.tokenizer import Tokenizer
from tests.checkpoints import MakeCheckpoint


@pytest.fixture
def tokenizer(make_checkpoint: MakeCheckpoint) -> Tokenizer:
    """A tokenizer whose words are letters: "ab" is "a" and "##b"."""
    return MiniLM(make_checkpoint(), max_seq_length=6).tokenizer


def test_tokens_and_words_of_a_text_by_hand(tokenizer: Tokenizer) -> None:
    spans = tokenizer.spans("ab  c")
    assert spans.text == "ab  c"
    assert spans.tokens == (
        Token("[CLS]", 0, 0, is_special=True),
        Token("a", 0, 1, is_special=False),
        Token("##b", 1, 2, is_special=False),
        Token("c", 4, 5, is_special=False),
        Token("[SEP]", 0, 0, is_special=True),
    )
    assert spans.words == (Word(0, 2, range(1, 3)), Word(4, 5, range(3, 4)))
    assert not spans.is_truncated


def test_a_prompt_is_special_and_moves_nothing(tokenizer: Tokenizer) -> None:
    tokenized, [spans] = tokenizer.with_spans(["ab"], "x: ")
    assert [token.token for token in spans.tokens] == ["[CLS]", "x", "[UNK]", "a", "##b", "[SEP]"]
    assert [token.is_special for token in spans.tokens] == [True, True, True, False, False, True]
    assert [token[1:3] for token in spans.tokens[3:5]] == [(0, 1), (1, 2)]
    assert spans.words == (Word(0, 2, range(3, 5)),)
    assert (spans.text, tokenized.input_ids) == ("ab", tokenizer(["x: ab"]).input_ids)


def test_a_token_of_prompt_and_text_together_counts_for_the_text_from_its_start(tokenizer: Tokenizer) -> None:
    # without a space between them the prompt's last word goes on in the text: "xab" is one word
    _, [spans] = tokenizer.with_spans(["ab"], "x")
    assert [(token.token, token.is_special) for token in spans.tokens[1:4]] == [
        ("x", True),
        ("##a", False),
        ("##b", False),
    ]
    assert spans.words == (Word(0, 2, range(2, 4)),)


def test_a_text_that_is_cut_has_the_words_that_are_left(tokenizer: Tokenizer) -> None:
    _, [cut, whole] = tokenizer.with_spans(["a b c d e", "a b c d"])
    assert (cut.is_truncated, whole.is_truncated) == (True, False)
    assert cut.words == whole.words
    assert len(cut.words) == 4


def test_the_empty_text_has_special_tokens_only(tokenizer: Tokenizer) -> None:
    spans = tokenizer.spans("")
    assert [token.token for token in spans.tokens] == ["[CLS]", "[SEP]"]
    assert spans.words == ()


def test_words_are_runs_of_tokens_with_one_number() -> None:
    tokens = [
        Token("[CLS]", 0, 0, is_special=True),
        Token("a", 0, 1, is_special=False),
        Token("##b", 1, 2, is_special=False),
        Token("[X]", 0, 0, is_special=True),  # a special token that the library gives a word's number
        Token("c", 3, 4, is_special=False),
    ]
    assert words_of_tokens([None, 0, 0, 1, 2], tokens) == (Word(0, 2, range(1, 3)), Word(3, 4, range(4, 5)))
    assert words_of_tokens([], []) == ()


def test_words_and_tokens_stand_where_they_are_in_the_text(model: MiniLM) -> None:
    text = "é😀 unaffable don't"
    side = model.explain(text, "A girl is brushing her hair.").a
    assert [text[word.start : word.end] for word in side.words] == ["é😀", "unaffable", "don", "'", "t"]
    assert [side.tokens[i].token for i in side.words[1].tokens] == ["una", "##ffa", "##ble"]
    assert [token.token for token in side.tokens if token.is_special] == ["[CLS]", "[SEP]"]


def test_a_special_token_that_was_typed_is_a_word(model: MiniLM) -> None:
    side = model.explain("one [SEP] two", "A girl is brushing her hair.").a
    assert [word[:2] for word in side.words] == [(0, 3), (4, 9), (10, 13)]
