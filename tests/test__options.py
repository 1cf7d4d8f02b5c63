"""_options.py: options that may be set after loading, checked as the constructor checks them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM, TruncationWarning
from minilm.pooling import Pooling
from tests.checkpoints import MakeCheckpoint, write_cross_encoder


@pytest.fixture
def tiny(make_checkpoint: MakeCheckpoint) -> MiniLM:
    return MiniLM(make_checkpoint(), prompts={"ask": "a b "})


def test_the_default_prompt_may_be_set_and_taken_away(tiny: MiniLM) -> None:
    plain, prompted = tiny.encode("c"), tiny.encode("a b c")
    tiny.default_prompt_name = "ask"
    np.testing.assert_array_equal(tiny.encode("c"), prompted)
    assert tiny.resolve_prompt() == "a b "
    assert (tiny.resolve_prompt(prompt_name="query"), tiny.resolve_prompt("x", "ask")) == ("", "x")
    tiny.default_prompt_name = None
    np.testing.assert_array_equal(tiny.encode("c"), plain)


@pytest.mark.parametrize("name", ["answer", 3, ["ask"]])
def test_a_default_prompt_that_does_not_exist_leaves_the_old_one(tiny: MiniLM, name: Any) -> None:
    tiny.default_prompt_name = "ask"
    with pytest.raises(ValueError, match=r"^default_prompt_name must be one of query, document, ask, not "):
        tiny.default_prompt_name = name
    assert tiny.default_prompt_name == "ask"


def test_the_similarity_is_the_one_that_was_set(tiny: MiniLM) -> None:
    a, b = [3.0, 4.0] + [0.0] * 14, [0.0, 2.0] + [0.0] * 14
    values = {}
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        tiny.similarity_fn_name = name
        values[name] = tiny.similarity(a, b).item()
    # float32: 0.8, 8, -sqrt(9 + 4), -(3 + 2)
    assert values == pytest.approx(
        {"cosine": 0.8, "dot": 8, "euclidean": -(13**0.5), "manhattan": -5}, rel=3e-7
    )
    bad: Any
    for bad in ("hamming", "maxsim", ["dot"]):
        with pytest.raises(
            ValueError, match="similarity_fn_name must be one of cosine, dot, euclidean, manh"
        ):
            tiny.similarity_fn_name = bad
    assert tiny.similarity_fn_name == "manhattan"


def test_threads_may_be_set(tiny: MiniLM) -> None:
    tiny.threads = 3
    assert tiny.threads == tiny.pipeline.engine.threads == 3
    with pytest.raises(ValueError, match="threads must be a positive whole number, not 0"):
        tiny.threads = 0


def test_dimensions_are_those_of_what_encode_returns(tiny: MiniLM) -> None:
    assert (tiny.embedding_dimension, tiny.get_embedding_dimension()) == (16, 16)
    tiny.truncate_dim = 20
    poolings: tuple[Pooling | tuple[Pooling, ...] | None, ...] = (None, "cls", ("mean", "cls"))
    for pooling, width in zip(poolings, (16, 16, 20), strict=True):
        assert tiny.encode("a", pooling=pooling).shape == (width,)
        assert tiny.get_embedding_dimension(pooling) == width
        assert tiny.get_sentence_embedding_dimension(pooling) == width
    assert tiny.embedding_dimension == 16  # before the cut


def test_dimensions_that_cannot_be_kept_are_refused_when_they_are_set(tiny: MiniLM) -> None:
    tiny.truncate_dim = 3
    for bad in (0, -1, 2.0, "3", True):
        with pytest.raises(ValueError, match=f"truncate_dim must be a positive whole number, not {bad!r}"):
            tiny.truncate_dim = bad  # type: ignore[assignment]
    assert tiny.encode("a").shape == (3,)
    tiny.truncate_dim = None
    assert tiny.encode("a").shape == (16,)


def test_a_pair_needs_more_tokens_than_a_text(make_checkpoint: MakeCheckpoint) -> None:
    model = CrossEncoder(write_cross_encoder(make_checkpoint))
    assert model._shortest_input == 5
    assert model.get_max_seq_length() == model.max_seq_length == 16
    model.max_seq_length = 5
    with pytest.warns(TruncationWarning, match="1 of 1 pairs were cut at 5 tokens"):
        model.predict([("a b", "c d")])
    with pytest.raises(ValueError, match="max_seq_length must lie in 5 to 24 for this model, not 4"):
        model.max_seq_length = 4
    with pytest.raises(TypeError, match="max_seq_length must be an int, not str"):
        model.max_seq_length = "5"  # type: ignore[assignment]


def test_max_seq_length_can_be_set_up_to_the_position_table(make_checkpoint: MakeCheckpoint) -> None:
    model = MiniLM(make_checkpoint(), max_seq_length=5)
    assert model.max_seq_length == 5
    with pytest.warns(TruncationWarning, match="1 of 1 texts were cut at 5 tokens"):
        assert len(model.encode("a b c d e f", output_value="token_embeddings")) == 5
    model.max_seq_length = 24
    assert len(model.encode("a " * 22, output_value="token_embeddings")) == 24
    for value in (2, 25, 0, -1):
        with pytest.raises(
            ValueError, match=f"max_seq_length must lie in 3 to 24 for this model, not {value}"
        ):
            model.max_seq_length = value
    for bad in ("5", 5.0, True, None):
        with pytest.raises(TypeError, match="max_seq_length must be an int"):
            model.max_seq_length = bad  # type: ignore[assignment]


def test_queries_and_documents_take_a_prompt_in_its_place(tiny: MiniLM) -> None:
    expected = tiny.encode("a b c")
    for encode in (tiny.encode_query, tiny.encode_document):
        np.testing.assert_array_equal(encode("c", "ask"), expected)
        np.testing.assert_array_equal(encode("c", None, "a b "), expected)
        np.testing.assert_array_equal(encode("c", prompt="a b ", batch_size=1), expected)
    tiny.prompts["query"] = "a b "
    np.testing.assert_array_equal(tiny.encode_query("c"), expected)
    np.testing.assert_array_equal(tiny.encode_query("c", prompt=""), tiny.encode("c"))
