"""text/calls.py: a tokenizer as transformers' are called. The ids and tokens are those of transformers."""

from __future__ import annotations

import numpy as np
import pytest

from minilm import MiniLM
from minilm.text.calls import TokenizerOutput
from minilm.tokenizer import Tokenizer
from tests.checkpoints import MakeCheckpoint


@pytest.fixture
def tokenizer(make_checkpoint: MakeCheckpoint) -> Tokenizer:
    return MiniLM(make_checkpoint()).tokenizer


def test_one_text_gives_one_row(tokenizer: Tokenizer) -> None:
    assert tokenizer("a b") == {
        "input_ids": [2, 5, 6, 3],
        "token_type_ids": [0, 0, 0, 0],
        "attention_mask": [1, 1, 1, 1],
    }
    assert tokenizer("a b").input_ids == tokenizer.encode("a b") == [2, 5, 6, 3]
    assert tokenizer("a b", add_special_tokens=False)["input_ids"] == [5, 6]


def test_several_texts_and_pairs(tokenizer: Tokenizer) -> None:
    assert tokenizer(["a b", "c"])["input_ids"] == [[2, 5, 6, 3], [2, 7, 3]]
    pair = {"input_ids": [2, 5, 3, 6, 3], "token_type_ids": [0, 0, 0, 1, 1], "attention_mask": [1] * 5}
    assert tokenizer("a", "b") == pair
    several = {name: [row] for name, row in pair.items()}
    assert tokenizer(["a"], ["b"]) == tokenizer([("a", "b")]) == several
    with pytest.raises(ValueError, match="text has 2 texts and text_pair 1"):
        tokenizer(["a", "b"], ["c"])


def test_nothing_is_cut_unless_asked(tokenizer: Tokenizer) -> None:
    text = "a " * 40
    assert len(tokenizer(text)["input_ids"]) == len(tokenizer.tokenize(text)) + 2 == 42
    assert len(tokenizer(text, truncation=True)["input_ids"]) == tokenizer.max_seq_length == 16
    assert tokenizer(text, truncation=True, max_length=4)["input_ids"] == [2, 5, 5, 3]
    tokenizer.model_max_length = 5
    assert len(tokenizer(text, truncation="longest_first")["input_ids"]) == 5


def test_rows_are_filled_and_become_arrays(tokenizer: Tokenizer) -> None:
    output = tokenizer(["a b", "c"], padding=True, return_tensors="np")
    assert output["input_ids"].tolist() == [[2, 5, 6, 3], [2, 7, 3, 0]]
    assert output["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert {array.dtype for array in output.values()} == {np.dtype(np.int64)}
    assert tokenizer("a", return_tensors="np").input_ids.shape == (1, 3)
    assert len(tokenizer("a", padding="max_length")["input_ids"]) == 16
    with pytest.raises(ValueError, match="needs rows of one length: pass padding=True"):
        tokenizer(["a b", "c"], return_tensors="np")


def test_tokens_ids_and_the_vocabulary(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokenize("a bc") == ["a", "b", "##c"]
    assert tokenizer.decode([2, 5, 6, 3]) == "[CLS] a b [SEP]"
    assert tokenizer.decode(np.array([2, 5, 6, 3]), skip_special_tokens=True) == "a b"
    assert tokenizer.convert_ids_to_tokens([5, 3]) == ["a", "[SEP]"]
    assert tokenizer.convert_ids_to_tokens(5) == "a"
    assert tokenizer.convert_tokens_to_ids(["a", "no such token"]) == [5, 1]
    assert tokenizer.get_vocab()["a"] == 5
    assert len(tokenizer) == tokenizer.vocab_size == len(tokenizer.get_vocab()) == 40


def test_what_is_asked_wrongly_is_named(tokenizer: Tokenizer) -> None:
    for options, message in (
        ({"padding": "longes"}, "padding must be one of True, .*, not 'longes'"),
        ({"truncation": "only_first"}, "truncation must be one of True, .*, not 'only_first'"),
        ({"return_tensors": "tf"}, "return_tensors must be one of None, 'np', 'pt', not 'tf'"),
    ):
        with pytest.raises(ValueError, match=message):
            tokenizer("a", **options)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"inputs\[1\] is missing \(None\)"):
        tokenizer(["a", None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="text must be a str, not list"):
        tokenizer.encode(["a"])  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="Tokenizer has no attribute 'max_length'"):
        tokenizer.max_length = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="must be one of input_ids, not 'ids'"):
        _ = TokenizerOutput(input_ids=[]).ids
