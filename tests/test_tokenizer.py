"""tokenizer.py: the stored truncation and padding overridden, nothing cut unnoticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.checkpoint.files import Fields
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.tokenizer import Tokenizer, pad
from tests.checkpoints import tiny_tokenizer
from tests.parity.texts import of_length


@pytest.fixture(scope="module")
def tokenizer(model: MiniLM) -> Tokenizer:
    return open_tokenizer(model.checkpoint.directory / "tokenizer.json", vocab_size=30522, max_seq_length=256)


def test_a_known_sentence_has_its_known_ids(tokenizer: Tokenizer) -> None:
    # [CLS] hello , world ! [SEP] in BERT's uncased vocabulary
    assert tokenizer.texts(["Hello, WORLD!"]) == ([[101, 7592, 1010, 2088, 999, 102]], [False], None)


def test_nothing_is_padded(tokenizer: Tokenizer) -> None:
    assert [len(ids) for ids in tokenizer.texts(["", "a", "a b"]).input_ids] == [2, 3, 4]


@pytest.mark.parametrize("tokens", [128, 129, 255, 256])
def test_a_text_that_fits_is_whole(tokenizer: Tokenizer, tokens: int) -> None:
    # 128 is where the file's own truncation would have cut
    ids, is_truncated, _ = tokenizer.texts([of_length(tokens)])
    assert len(ids[0]) == tokens
    assert is_truncated == [False]


@pytest.mark.parametrize("tokens", [257, 600])
def test_a_text_that_is_cut_keeps_both_special_tokens_and_says_so(tokenizer: Tokenizer, tokens: int) -> None:
    ids, is_truncated, _ = tokenizer.texts([of_length(tokens), "short"])
    assert len(ids[0]) == 256
    assert (ids[0][0], ids[0][-1]) == (101, 102)
    assert ids[0][:-1] == tokenizer.texts([of_length(256)]).input_ids[0][:-1]
    assert is_truncated == [True, False]


def test_special_tokens_in_a_text_are_special(tokenizer: Tokenizer) -> None:
    # as in the original: typed "[SEP]" is the token 102, in lower case it is four ordinary tokens
    assert tokenizer.texts(["a [SEP] b"]).input_ids == [[101, 1037, 102, 1038, 102]]
    assert 102 not in tokenizer.texts(["[sep]"]).input_ids[0][1:-1]


def test_padding_fills_to_the_longest_and_the_mask_says_where() -> None:
    ids, mask = pad([[5], [6, 7, 8], [9, 10]], pad_token_id=3)
    np.testing.assert_array_equal(ids, [[5, 3, 3], [6, 7, 8], [9, 10, 3]])
    np.testing.assert_array_equal(mask, [[1, 0, 0], [1, 1, 1], [1, 1, 0]])


def test_padding_nothing_gives_nothing() -> None:
    ids, mask = pad([])
    assert ids.shape == mask.shape == (0, 0)


def test_a_text_or_pair_that_is_cut_on_the_left_keeps_its_end(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tiny_tokenizer(57).save(str(path))
    left = Fields.of(tmp_path / "tokenizer_config.json", {"truncation_side": "left"})
    tokenizer = open_tokenizer(path, vocab_size=57, max_seq_length=5, settings=left)
    assert tokenizer.texts(["a b c d"]) == ([[2, 6, 7, 8, 3]], [True], None)  # [CLS] b c d [SEP]
    assert tokenizer.texts(["a " * 10_000 + "b"]).input_ids == [[2, 5, 5, 6, 3]]
    assert tokenizer(["a b c d"], truncation=True, max_length=4)["input_ids"] == [[2, 7, 8, 3]]
    # [CLS] d [SEP] b [SEP], as transformers 5 cuts "a b c d" and "a b" to 5 tokens
    assert tokenizer.pairs([("a b c d", "a b")]).input_ids == [[2, 8, 3, 6, 3]]
    tokenizer.max_seq_length = 4
    assert tokenizer.texts(["a b c d"]).input_ids == [[2, 7, 8, 3]]


def test_a_tokenizer_that_cuts_another_side_leaves_this_one_as_it_is(tokenizer: Tokenizer) -> None:
    words = " ".join(["in"] * 200 + ["on"] * 200)
    [first], [last] = (
        tokenizer.texts([word]).input_ids for word in ("in " * 200 + "on " * 54, "in " * 54 + "on " * 200)
    )
    assert tokenizer.cutting_on("right") is tokenizer
    assert tokenizer.cutting_on("left").texts([words]) == ([last], [True], None)
    assert tokenizer.texts([words]) == ([first], [True], None)
    with pytest.raises(ValueError, match=r"^truncation_side must be one of left, right, not 'up'"):
        tokenizer.cutting_on("up")
    assert tokenizer.cutting_at(256) is tokenizer
    assert tokenizer.cutting_at(3).texts(["in on in"]).input_ids == tokenizer.texts(["in"]).input_ids
    assert tokenizer.max_seq_length == 256
