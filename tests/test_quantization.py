"""minilm/quantization.py: fewer bits and fewer components, on numbers worked out by hand."""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import util
from minilm.corpus.index import Index
from minilm.pooling import normalize
from minilm.quantization import unit_ranges

UNIT = normalize(np.random.default_rng(7).normal(size=(60, 8))).astype(np.float32)


def test_quantization_by_hand() -> None:
    given = np.array([[0.0, -1.0], [0.5, 0.0], [1.0, 1.0], [2.0, -3.0]], np.float32)
    ranges = np.array([[0.0, -1.0], [1.0, 1.0]])
    # floor(0.5 / (1 / 255)) = 127; 1 / 255 is a little more in float32, so that 1 holds 254 whole steps of
    # it; what lies beyond the range takes its end
    expected = np.array([[0, 0], [127, 127], [254, 254], [255, 0]])
    by_range = util.quantize_embeddings(given, "uint8", ranges=ranges)
    assert by_range.dtype == np.uint8
    np.testing.assert_array_equal(by_range, expected)
    signed = util.quantize_embeddings(given, "int8", calibration_embeddings=given[[0, 2]])
    assert signed.dtype == np.int8
    np.testing.assert_array_equal(signed, expected - 128)
    bits = util.quantize_embeddings([[1.0, -1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0]], "ubinary")
    np.testing.assert_array_equal(bits, [[0b10011111, 0b10000000]])
    signed_bits = util.quantize_embeddings([[1.0, -1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0]], "binary")
    assert signed_bits.dtype == np.int8
    assert signed_bits.tolist() == [[0b10011111 - 128, 0]]
    assert util.quantize_embeddings([1.0, -1.0], "float32").dtype == np.float32
    # a component that is always the same has a range of no width
    np.testing.assert_array_equal(
        util.quantize_embeddings(np.full((2, 1), 0.3, np.float32), "uint8"), [[0], [0]]
    )


def test_quantization_of_nothing_keeps_the_shape() -> None:
    nothing = np.empty((0, 12), np.float32)
    shapes = {p: util.quantize_embeddings(nothing, p).shape for p in ("int8", "uint8", "binary", "ubinary")}
    assert shapes == {"int8": (0, 12), "uint8": (0, 12), "binary": (0, 2), "ubinary": (0, 2)}


def test_few_embeddings_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        util.quantize_embeddings(UNIT, "int8")
    assert "come from only 60 embeddings" in caplog.text


@pytest.mark.parametrize(
    ("embeddings", "precision", "options", "message"),
    [
        (UNIT, "int4", {}, "must be one of float32, int8, uint8, binary, ubinary, not 'int4'"),
        (UNIT.astype(np.int8), "binary", {}, "must be floats, not int8"),
        (UNIT * np.nan, "int8", {}, "int8 needs finite numbers"),
        (UNIT, "uint8", {"ranges": [[-np.inf] * 8, [1] * 8]}, "uint8 needs finite numbers"),
        (UNIT, "int8", {"calibration_embeddings": UNIT * np.inf}, "int8 needs finite numbers"),
        (UNIT[0], "int8", {}, "a single embedding does not give"),
        (UNIT[:1], "uint8", {}, "a single embedding does not give"),
        (UNIT, "int8", {"ranges": UNIT[:2, :4]}, r"ranges must have shape \(2, 8\), not \(2, 4\)"),
    ],
)
def test_bad_quantization_is_refused(embeddings: Any, precision: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        util.quantize_embeddings(embeddings, precision, **options)


def test_truncation_keeps_the_first_components() -> None:
    np.testing.assert_array_equal(util.truncate_embeddings(UNIT, 3), UNIT[:, :3])
    np.testing.assert_array_equal(util.truncate_embeddings(UNIT, None), UNIT)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        util.truncate_embeddings(UNIT, 0)


def test_nothing_and_tokens_of_nothing_are_quantized_to_nothing() -> None:
    for precision in ("float32", "int8", "uint8", "binary", "ubinary"):
        assert util.quantize_embeddings([], precision) == []
    assert [m.shape for m in util.quantize_embeddings([np.empty((0, 8), np.float32)], "int8")] == [(0, 8)]


@pytest.mark.parametrize("precision", ["float32", "ubinary"])
def test_faiss_finds_each_embedding_among_quantized_ones(precision: Any) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed")
    corpus = util.quantize_embeddings(UNIT, precision)
    options = {"corpus_precision": precision, "top_k": 3, "calibration_embeddings": UNIT}
    hits, seconds, index = util.semantic_search_faiss(UNIT, corpus, output_index=True, **options)
    assert [len(row) for row in hits] == [3] * len(UNIT)
    assert all(i in [hit["corpus_id"] for hit in row] for i, row in enumerate(hits))
    assert seconds >= 0
    assert util.semantic_search_faiss(UNIT, corpus_index=index, **options)[0] == hits
    few, _ = util.semantic_search_faiss(UNIT[:1], corpus[:2], **options)
    assert sorted(hit["corpus_id"] for hit in few[0]) == [0, 1]


def test_a_search_that_cannot_be_is_refused() -> None:
    pytest.importorskip("faiss", reason="faiss is not installed")
    with pytest.raises(ValueError, match="must be one of float32, uint8, ubinary, not 'int8'"):
        util.semantic_search_faiss(UNIT, UNIT, corpus_precision="int8")
    for arguments in ((UNIT,), (UNIT, UNIT, "index")):
        with pytest.raises(ValueError, match="give corpus_embeddings or corpus_index, one of the two"):
            util.semantic_search_faiss(*arguments)


def test_a_library_that_is_not_there_is_named() -> None:
    if find_spec("usearch"):
        pytest.skip("usearch is installed")
    with pytest.raises(ImportError, match="needs usearch, which is not installed: pip install usearch"):
        util.semantic_search_usearch(UNIT, UNIT)


@pytest.mark.parametrize(
    ("precision", "library"),
    [("uint8", "faiss"), ("ubinary", "faiss"), ("int8", "usearch"), ("binary", "usearch")],
)
def test_a_quantized_index_finds_what_the_quantized_search_of_sentence_transformers_does(
    precision: str, library: str, tmp_path: Path
) -> None:
    """These functions have parity tests of their own. All rows are candidates here."""
    pytest.importorskip(
        "usearch.index" if library == "usearch" else library, reason=f"{library} is not installed"
    )
    vectors = np.random.default_rng(3).normal(size=(400, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ranges = unit_ranges(64)
    corpus = util.quantize_embeddings(vectors, precision, ranges)  # type: ignore[call-overload]
    search = util.semantic_search_faiss if library == "faiss" else util.semantic_search_usearch
    options = {"corpus_precision": precision, "top_k": 10, "ranges": ranges, "rescore_multiplier": 40}
    expected = search(vectors[:20] + vectors[20:40], corpus, **options)[0]  # type: ignore[arg-type]
    np.save(tmp_path / "index.npy", corpus)
    made_with = {"options": {"dtype": precision, "ranges": ranges.tolist()}}
    (tmp_path / "index.npy.manifest.json").write_text(json.dumps(made_with))
    index = Index(tmp_path / "index.npy")
    found = index.search(vectors[:20] + vectors[20:40], 10, rescore_multiplier=40)
    for hits, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose([h.score for h in hits], [h["score"] for h in theirs], rtol=0, atol=1e-6)
        by_score = {h["corpus_id"]: h["score"] for h in theirs}
        assert all(abs(by_score.get(h.row, hits[-1].score) - h.score) < 1e-6 for h in hits)
