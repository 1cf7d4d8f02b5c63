"""One vector for a long text: the weighted mean of its pieces, and everything else as in encode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM, TruncationWarning, split
from minilm.quantization import quantize_embeddings
from tests.checkpoints import MakeCheckpoint

pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

LONG = "The minutes of the last meeting were read and approved by all who were there. " * 40
TEXTS = ["A short text.", LONG, "", LONG[: len(LONG) // 2] + "Passwords are reset at the front desk."]


def mean_of_pieces(text: str, model: MiniLM, **options: Any) -> np.ndarray:
    """The definition, written out: the mean of the pieces' vectors, weighted by their tokens."""
    pieces = split(text, model, tokens=256)
    vectors = model.encode([piece.text for piece in pieces], **options).astype(np.float64)
    weights = np.array([piece.tokens for piece in pieces], np.float64)
    return (weights @ vectors) / weights.sum()


def test_a_long_text_has_the_weighted_mean_of_its_pieces(model: MiniLM) -> None:
    embeddings = model.encode_document(TEXTS, long_texts="split")
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (4, 384)
    for row in (1, 3):
        mean = mean_of_pieces(TEXTS[row], model)
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(embeddings[row], expected, rtol=0, atol=1e-6)  # float32's rounding
    np.testing.assert_allclose(embeddings[[0, 2]], model.encode([TEXTS[0], TEXTS[2]]), rtol=0, atol=1e-6)


def test_the_end_of_a_long_text_counts(model: MiniLM) -> None:
    query = model.encode_query("I forgot my password")
    with pytest.warns(TruncationWarning):
        whole = model.encode_document(TEXTS[3])
    assert query @ model.encode_document(TEXTS[3], long_texts="split") > query @ whole + 0.05


def test_short_texts_are_encoded_as_ever(model: MiniLM) -> None:
    np.testing.assert_array_equal(
        model.encode_document(["a", "b"], long_texts="split"), model.encode_document(["a", "b"])
    )
    np.testing.assert_array_equal(model.encode_document("a", long_texts="split"), model.encode_document("a"))


def test_the_options_of_encode_hold_for_the_mean(model: MiniLM) -> None:
    split_whole = model.encode_document(TEXTS, long_texts="split")
    cut = model.encode_document(TEXTS, long_texts="split", truncate_dim=32)
    np.testing.assert_array_equal(cut, split_whole[:, :32])
    scaled = model.encode_document(TEXTS, long_texts="split", truncate_dim=32, normalize_embeddings=True)
    lengths = np.linalg.norm(split_whole[:, :32], axis=1, keepdims=True)
    np.testing.assert_allclose(scaled, split_whole[:, :32] / lengths, rtol=0, atol=1e-6)  # rounding
    binary = model.encode_document(TEXTS, long_texts="split", precision="binary")
    np.testing.assert_array_equal(binary, quantize_embeddings(split_whole, "binary"))
    np.testing.assert_array_equal(model.encode_document(LONG, long_texts="split"), split_whole[1])


def test_a_model_that_does_not_normalize_keeps_the_mean(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    tiny.normalize = False
    tiny.max_seq_length = 6
    pieces = split("a b c a b c a", tiny, tokens=6)
    assert len(pieces) == 2
    vectors = tiny.encode([piece.text for piece in pieces])
    expected = np.average(vectors, axis=0, weights=[piece.tokens for piece in pieces])
    result = tiny.encode_document("a b c a b c a", long_texts="split")
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)  # float32's rounding


def test_a_prompt_takes_its_room(model: MiniLM) -> None:
    prompt = "This is a passage of the minutes: "
    embedding = model.encode_document(LONG, prompt=prompt, long_texts="split")  # nothing is cut: no warning
    tokens = len(model.tokenizer.tokenize(prompt))
    pieces = split(LONG, model, tokens=256 - tokens)
    vectors = model.encode([prompt + piece.text for piece in pieces])
    mean = np.average(vectors, axis=0, weights=[piece.tokens for piece in pieces])
    np.testing.assert_allclose(embedding, mean / np.linalg.norm(mean), rtol=0, atol=1e-6)  # rounding


def test_what_cannot_be_split_is_refused(model: MiniLM) -> None:
    with pytest.raises(ValueError, match="long_texts must be one of cut, split, not 'mean'"):
        model.encode_document(["a"], long_texts="mean")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="one vector per text, not output_value='token_embeddings'"):
        model.encode_document(["a"], long_texts="split", output_value="token_embeddings")
    with pytest.raises(TypeError, match=r"inputs\[0\] is list, not str"):
        model.encode_document([["a", "b"]], long_texts="split")
    with pytest.raises(TypeError, match="unexpected keyword argument 'long_texts'"):
        model.encode_query(["a"], long_texts="split")


def test_the_default_is_the_cut_with_its_warning(model: MiniLM) -> None:
    with pytest.warns(TruncationWarning):
        cut = model.encode_document([LONG])
    with pytest.warns(TruncationWarning):
        np.testing.assert_array_equal(model.encode_document([LONG], long_texts="cut"), cut)
