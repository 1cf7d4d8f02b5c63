"""prefix.py: a long text is read no further than its first tokens need, and those are the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer as Library

from minilm import MiniLM
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.text import prefix as prefixes
from minilm.text.prefix import PrefixCutter
from tests.hostile import GIANTS, assert_ids_of, assert_unit_vectors, giant, library, long_text

pytestmark = pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")


class Counting:
    """The library's tokenizer, and how many characters it was given in how many calls."""

    def __init__(self, theirs: Library) -> None:
        self._theirs = theirs
        self.characters = self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def encode_batch_fast(self, inputs: list[str], **options: bool) -> Any:
        self.calls += 1
        self.characters += sum(map(len, inputs))
        return self._theirs.encode_batch_fast(inputs, **options)


@pytest.fixture
def counting(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counter = Counting(model.tokenizer.backend)
    monkeypatch.setattr(model.tokenizer, "backend", counter)
    return counter


@pytest.mark.parametrize("name", GIANTS)
def test_a_giant_gives_a_unit_vector_and_is_read_no_more_than_twice(
    model: MiniLM, counting: Counting, name: str
) -> None:
    text = giant(name)
    assert_unit_vectors(model, [text])
    assert counting.characters <= 5 / 3 * len(text)
    assert counting.calls <= 1 + np.log(len(text)) / np.log(4)


def test_no_beginning_is_read_twice(model: MiniLM, counting: Counting) -> None:
    # the first place to cut lies far beyond what is asked for first, and beyond what is asked for next
    text = "a" * 100_000 + " b" * 100_000
    assert_ids_of(library(model), model.tokenizer, [text])
    assert (counting.calls, counting.characters) == (2, 100_001 + len(text))


@pytest.mark.parametrize("unit", ["word ", ".", "a" * 90 + " ", "\u4e2d", "e\u0301 "])
def test_of_a_long_text_no_more_is_read_than_256_tokens_need(
    model: MiniLM, counting: Counting, unit: str
) -> None:
    seen = []
    for times in (10_000, 100_000):
        counting.characters = 0
        model.encode(unit * times)
        seen.append(counting.characters)
    assert seen[0] == seen[1] < 16 * 256 * (1 + 4 + 4)


@pytest.mark.parametrize("name", ["one word of ten million letters", "100,000 marks on a letter"])
def test_python_does_no_more_for_a_long_text_than_for_a_short_one(model: MiniLM, name: str) -> None:
    def calls(text: str) -> int:
        count = 0

        def note(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(note)
        try:
            model.tokenizer.texts([text])
        finally:
            sys.setprofile(None)
        return count

    # each of the beginnings that are tried, four times as long as the last, costs the same few calls
    text = giant(name)
    assert calls(text) <= calls(text[:1000]) + 200


@pytest.mark.parametrize("max_seq_length", [3, 8, 16, 32])
def test_a_text_that_is_not_read_to_its_end_has_the_ids_of_the_whole(
    model: MiniLM, max_seq_length: int
) -> None:
    path = model.checkpoint.directory / "tokenizer.json"
    ours = open_tokenizer(path, vocab_size=30522, max_seq_length=max_seq_length)
    theirs = Library.from_file(str(path))
    theirs.no_padding()
    theirs.enable_truncation(max_length=max_seq_length)
    random, cut = Random(max_seq_length), 0
    for _ in range(10):
        many = [long_text(random, 60 * max_seq_length) for _ in range(50)]
        assert_ids_of(theirs, ours, many)
        cutter = PrefixCutter(ours.backend)
        cut += sum(len(cutter.initial(text, max_seq_length)) < len(text) for text in many)
    assert cut > 100  # or nothing was tested


def test_the_parts_of_a_text_have_its_tokens(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefixes, "_PART", 100)
    whole, random, seen = library(model), Random(5), 0
    whole.no_truncation()
    for _ in range(200):
        text = long_text(random, 200)
        parts = list(PrefixCutter(whole).parts(text))
        assert "".join(parts) == text
        ids = [whole.encode(part, add_special_tokens=False).ids for part in parts]
        assert [i for row in ids for i in row] == whole.encode(text, add_special_tokens=False).ids
        seen += len(parts) > 1
    assert seen > 100


def change_added(pipeline: dict[str, Any]) -> None:
    pipeline["added_tokens"][0]["lstrip"] = True


@pytest.mark.parametrize(
    "change",
    [
        change_added,
        lambda p: p.update(normalizer=None),
        lambda p: p.update(normalizer={"type": "NFKC"}),
        lambda p: p.update(pre_tokenizer={"type": "Whitespace"}),
        lambda p: p["added_tokens"].append({**p["added_tokens"][0], "id": 9, "normalized": True}),
    ],
)
def test_texts_are_cut_early_only_for_a_tokenizer_that_is_berts(
    model: MiniLM, change: Callable[[dict[str, Any]], None]
) -> None:
    pipeline = json.loads(library(model).to_str())
    text = "a b, " * 1000
    assert len(PrefixCutter(Library.from_str(json.dumps(pipeline))).cut(text, 100)) == 100
    change(pipeline)
    assert PrefixCutter(Library.from_str(json.dumps(pipeline))).cut(text, 100) == text


def test_no_text_is_cut_after_a_character_of_an_added_token(model: MiniLM) -> None:
    theirs = library(model)
    assert len(PrefixCutter(theirs).cut("ab[MASK].ab" * 100, 100)) == 108  # after the full stop
    theirs.add_special_tokens(["a.b"])
    assert PrefixCutter(theirs).cut("ab[MASK].ab" * 100, 100) == "ab[MASK].ab" * 100
