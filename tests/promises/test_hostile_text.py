"""Any text gives a finite unit vector or one clear error, and the token ids of the library."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import CrossEncoder, MiniLM
from tests.checkpoints import TINY, write_checkpoint, write_cross_encoder
from tests.hostile import CASES, HostileTexts, assert_ids_of, assert_unit_vectors, library, strings, texts
from tests.reference_tokenizer import token_ids

pytestmark = [
    pytest.mark.filterwarnings("ignore::minilm.TruncationWarning"),
    pytest.mark.usefixtures("without_coverage"),
]

AT_ONCE = 250  # texts per call

# The number of examples that hypothesis makes from all of Unicode, for the four properties below together.
# An example takes twenty times as long as a text of HostileTexts, so its number is set separately.
EXAMPLES = int(os.environ.get("MINILM_EXAMPLES", "5000"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> MiniLM:
    """A fast model with random weights and at most 16 tokens, so nearly every text is too long."""
    directory = tmp_path_factory.mktemp("hostile") / "tiny"
    write_checkpoint(directory, TINY)
    return MiniLM(directory)


def test_thousands_of_hostile_texts_give_unit_vectors_and_the_librarys_ids(tiny: MiniLM) -> None:
    theirs, seen = library(tiny), 0
    for seed in range(-(-CASES // AT_ONCE)):
        many = HostileTexts(seed).texts(AT_ONCE)
        assert_unit_vectors(tiny, many)
        assert_ids_of(theirs, tiny.tokenizer, many)
        seen += len(many)
    assert seen >= CASES


def test_the_real_model_gives_unit_vectors_and_the_librarys_ids(model: MiniLM) -> None:
    theirs = library(model)
    for seed in range(-(-CASES // 2 // AT_ONCE)):
        assert_ids_of(theirs, model.tokenizer, HostileTexts(-1 - seed).texts(AT_ONCE))
    short = [text for text in HostileTexts(7).texts(CASES // 6) if len(text) < 100]
    assert len(short) > CASES // 8
    assert_unit_vectors(model, short)


@given(many=st.lists(texts, max_size=12))
@settings(max_examples=EXAMPLES * 30 // 100)
def test_any_texts_give_unit_vectors_and_the_librarys_ids(tiny: MiniLM, many: list[str]) -> None:
    assert_unit_vectors(tiny, many)
    assert_ids_of(library(tiny), tiny.tokenizer, many)


@given(many=st.lists(strings, max_size=8))
@settings(max_examples=EXAMPLES * 45 // 100)
def test_any_strings_give_unit_vectors_or_an_error_that_names_the_first_surrogate(
    tiny: MiniLM, many: list[str]
) -> None:
    surrogates = (
        (index, position)
        for index, text in enumerate(many)
        for position, character in enumerate(text)
        if unicodedata.category(character) == "Cs"
    )
    first = next(surrogates, None)
    if first is None:
        assert_unit_vectors(tiny, many)
        return
    for call in (tiny.encode, tiny.tokenize):
        with pytest.raises(ValueError, match=r"holds the lone surrogate '\\ud[89a-f]..'") as error:
            call(many)
        assert str(error.value).startswith(f"inputs[{first[0]}] ")
        assert f" at position {first[1]}, " in str(error.value)


def test_a_surrogate_is_named_even_where_the_text_would_be_cut(tiny: MiniLM, model: MiniLM) -> None:
    for one in (tiny, model):
        with pytest.raises(ValueError, match=r"inputs\[1\] holds the lone surrogate .* at position 500000,"):
            one.encode(["fine", "a b, " * 100_000 + "\udcff"])


def test_every_character_that_unicode_has_long_had_is_tokenized_by_the_definition(model: MiniLM) -> None:
    # The library's tables are older than Python's. They agree on characters of Unicode 3.2 whose category
    # never changed. With Unicode 14 there are 232,504 of these.
    then = unicodedata.ucd_3_2_0.category
    points = (point for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000)
    characters = [c for c in map(chr, points) if then(c) == unicodedata.category(c) != "Cn"]
    assert len(characters) > 230_000
    vocab = library(model).get_vocab()
    for start in range(0, len(characters), 10_000):
        some = [f"a{c}b {c} .{c}" for c in characters[start : start + 10_000]]
        for text, ids in zip(some, model.tokenizer.texts(some).input_ids, strict=True):
            assert ids == token_ids(text, vocab, 256), ascii(text)


def test_texts_of_long_known_characters_are_tokenized_by_the_definition(model: MiniLM) -> None:
    then = unicodedata.ucd_3_2_0.category
    vocab, seen, seed = library(model).get_vocab(), 0, 0
    while seen < CASES // 4:
        many = HostileTexts(seed := seed + 1).texts(AT_ONCE)
        known = [text for text in many if all(then(c) == unicodedata.category(c) != "Cn" for c in text)]
        for text, ids in zip(known, model.tokenizer.texts(known).input_ids, strict=True):
            assert ids == token_ids(text, vocab, 256), ascii(text)
        seen += len(known)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    directory = tmp_path_factory.mktemp("hostile")

    def make() -> Path:
        write_checkpoint(directory / "pairs", TINY)
        return directory / "pairs"

    return CrossEncoder(write_cross_encoder(make))


@given(pairs=st.lists(st.tuples(texts, texts), max_size=8))
@settings(max_examples=EXAMPLES * 5 // 100)  # the library is slow on pairs of long texts
def test_any_pair_of_texts_has_a_score_from_the_librarys_ids(
    cross_encoder: CrossEncoder, pairs: list[tuple[str, str]]
) -> None:
    scores = cross_encoder.predict(pairs)
    assert scores.shape == (len(pairs),)
    assert ((scores >= 0) & (scores <= 1)).all()
    expected = library(cross_encoder).encode_batch(pairs)
    ids, _, types = cross_encoder.tokenizer.pairs(pairs)
    assert (ids, types) == ([e.ids for e in expected], [e.type_ids for e in expected])


@given(a=texts, b=texts)
@settings(max_examples=EXAMPLES * 20 // 100)
def test_the_score_of_any_two_texts_is_explained_with_places_in_them(tiny: MiniLM, a: str, b: str) -> None:
    explanation = tiny.explain(a, b)
    # an embedding has 16 components rounded to float32, each near 0.25
    assert abs(explanation.contributions.sum() - explanation.score) < 1e-6
    assert abs(tiny.similarity(a, b).item() - explanation.score) < 1e-6
    for side, text in ((explanation.a, a), (explanation.b, b)):
        encoding = library(tiny).encode(text)
        assert [token.token for token in side.tokens] == encoding.tokens
        for token, (start, end) in zip(side.tokens, encoding.offsets, strict=True):
            assert (token.start, token.end) == (start, end)
