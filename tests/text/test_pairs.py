"""pairing.py: pairs have the library's ids and types, and nothing is done for what is cut off of both."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import processors

from minilm import CheckpointError, MiniLM
from minilm.checkpoint.files import Fields
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.checkpoint.tokenizer_classes import TOKENIZER_CLASSES
from minilm.text.pairs import kept_of_pair, pair_frame
from minilm.tokenizer import Tokenizer
from tests.checkpoints import tiny_tokenizer
from tests.hostile import HostileTexts, long_text


def both(model: MiniLM, max_seq_length: int) -> tuple[Library, Tokenizer]:
    path = model.checkpoint.directory / "tokenizer.json"
    theirs = Library.from_file(str(path))
    theirs.no_padding()
    theirs.enable_truncation(max_length=max_seq_length)
    return theirs, open_tokenizer(path, vocab_size=30522, max_seq_length=max_seq_length)


def assert_pairs_of(theirs: Library, ours: Tokenizer, pairs: list[tuple[str, str]]) -> None:
    expected = theirs.encode_batch(pairs)
    ids, is_truncated, types = ours.pairs(pairs)
    for pair, encoding, row, kinds, cut in zip(pairs, expected, ids, types or [], is_truncated, strict=True):
        found = (encoding.ids, encoding.type_ids, bool(encoding.overflowing))
        assert (row, kinds, cut) == found, ascii(pair)


@pytest.mark.parametrize("max_seq_length", [5, 6, 16, 17, 64, 65])
def test_pairs_have_the_librarys_ids_and_types(model: MiniLM, max_seq_length: int) -> None:
    theirs, ours = both(model, max_seq_length)
    random, hostile = Random(max_seq_length), HostileTexts(max_seq_length)
    for longest in (3, max_seq_length, 3 * max_seq_length):
        pairs = [(long_text(random, longest), long_text(random, longest)) for _ in range(100)]
        pairs += [(hostile.text()[:200], long_text(random, longest)) for _ in range(100)]
        pairs += [(second, first) for first, second in pairs]
        assert_pairs_of(theirs, ours, pairs)


@pytest.mark.parametrize("max_seq_length", [16, 17])
@pytest.mark.parametrize(
    ("long", "longer"), [(300, 301), (300, 300), (40, 300), (16, 17), (13, 14), (15, 300), (2, 700)]
)
def test_of_two_long_texts_the_longer_one_keeps_the_larger_half(
    model: MiniLM, max_seq_length: int, long: int, longer: int
) -> None:
    theirs, ours = both(model, max_seq_length)
    pairs = [("a " * long, "." * longer), ("." * longer, "a " * long), ("[" * long, "[MASK]" * longer)]
    assert_pairs_of(theirs, ours, pairs)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(2, 30))
def test_all_the_room_is_used_and_no_more(first: int, second: int, room: int) -> None:
    kept = kept_of_pair(first, second, room)
    assert sum(kept) == min(first + second, room)
    assert kept[0] <= first
    assert kept[1] <= second


def test_the_longer_text_of_a_pair_is_cut_first() -> None:
    assert kept_of_pair(10, 400, 509) == (10, 400)
    assert kept_of_pair(10, 600, 509) == (10, 499)
    assert kept_of_pair(600, 500, 509) == (255, 254)


def test_two_long_texts_cost_what_each_of_them_costs(model: MiniLM) -> None:
    """The library would combine every piece of the one with every piece of the other, 600,000 in all."""
    _, ours = both(model, 512)
    first, second = "[" * 200_000, "." * 200_001
    ids, is_truncated, _ = ours.pairs([(first, second), (second, first)])
    assert is_truncated == [True, True]
    assert [row.count(1031) for row in ids] == [254, 254]  # "[", of the shorter
    assert [row.count(1012) for row in ids] == [255, 255]  # "."


@pytest.mark.parametrize("pair", ["[CLS] $B $A", "[CLS] $A $B $A"])
def test_a_tokenizer_that_frames_pairs_otherwise_is_refused(pair: str) -> None:
    theirs = tiny_tokenizer(57)
    theirs.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair=pair, special_tokens=[("[CLS]", 2)]
    )
    message = r"tokenizer\.json does not put the second text of a pair after the first"
    with pytest.raises(CheckpointError, match=message):
        pair_frame(theirs, Path("tokenizer.json"))


def test_a_tokenizer_that_panics_at_a_pair_is_refused() -> None:
    """Two templates in a sequence are not implemented in the library, whose code in Rust panics."""
    theirs = tiny_tokenizer(57)
    template = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A $B:1", special_tokens=[("[CLS]", 2)]
    )
    theirs.post_processor = processors.Sequence([template, template])
    message = r"tokenizer\.json cannot encode a pair of texts: not yet implemented"
    with pytest.raises(CheckpointError, match=message):
        pair_frame(theirs, Path("tokenizer.json"))


@pytest.mark.parametrize(
    "processor",
    [
        processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
        processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
    ],
)
def test_any_way_of_framing_is_read_off(tmp_path: Path, processor: processors.PostProcessor) -> None:
    theirs = tiny_tokenizer(57)
    theirs.post_processor = processor
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = open_tokenizer(
        tmp_path / "tokenizer.json",
        vocab_size=57,
        max_seq_length=9,
        settings=Fields.of(tmp_path / "tokenizer_config.json", {"pad_token": "[PAD]"}),
        kind=TOKENIZER_CLASSES["PreTrainedTokenizerFast"],
    )
    theirs.enable_truncation(max_length=9)
    pairs = [("a b", "c"), ("", "a"), ("", ""), ("a " * 20, "b " * 19), ("a b c d e f", "b " * 3)]
    assert_pairs_of(theirs, ours, pairs)
