"""sparse_encoder.py: sparse vectors, what is kept of them, and errors; the numbers are the parity tests'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, SparseEmbeddings, SparseEncoder, TruncationWarning
from tests.checkpoints import TINY, MakeCheckpoint, write_sparse_encoder

CSR = SparseEmbeddings(
    np.array([2.0, 1.0, 4.0], np.float32), np.array([1, 3, 0]), np.array([0, 2, 2, 3]), (3, 4)
)
DENSE = [[0, 2, 0, 1], [0, 0, 0, 0], [4, 0, 0, 0]]


@pytest.fixture
def directory(make_checkpoint: MakeCheckpoint) -> Path:
    return write_sparse_encoder(make_checkpoint)


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_sparse_rows_are_the_dense_ones() -> None:
    assert CSR.toarray().tolist() == DENSE
    assert len(CSR) == 3
    assert [CSR[i].todict() for i in (0, 1, -1)] == [{1: 2.0, 3: 1.0}, {}, {0: 4.0}]
    assert [row.toarray().tolist() for row in CSR] == DENSE
    assert [(row.ndim, row.shape, len(row)) for row in CSR] == [(1, (4,), 4)] * 3
    with pytest.raises(IndexError, match="row 3 of 3"):
        CSR[3]
    with pytest.raises(IndexError, match="one vector has no rows"):
        CSR[0][0]
    with pytest.raises(ValueError, match=r"for one vector, such as embeddings\[0\], not for 3 rows"):
        CSR.todict()


def test_sparsity_counts_weights() -> None:
    expected = {"active_dims": 1.0, "sparsity_ratio": 0.75}
    assert SparseEncoder.sparsity(CSR) == SparseEncoder.sparsity(np.array(DENSE, np.float32)) == expected


def test_only_the_largest_weights_are_kept(directory: Path) -> None:
    model = SparseEncoder(directory)
    full, kept = model.encode("a b c"), model.encode("a b c", max_active_dims=3)
    assert isinstance(full, SparseEmbeddings)
    assert isinstance(kept, SparseEmbeddings)
    assert len(full.data) > 3
    assert kept.todict().items() <= full.todict().items()
    assert sorted(kept.data) == sorted(full.data)[-3:]
    assert [token for token, _ in model.decode(full, top_k=3)] == [token for token, _ in model.decode(kept)]
    assert SparseEncoder(directory, max_active_dims=3).encode("a b c").todict() == kept.todict()
    with pytest.raises(ValueError, match="max_active_dims must be"):
        model.encode("a", max_active_dims=0)


def test_a_text_has_the_same_weights_in_any_company(directory: Path) -> None:
    model = SparseEncoder(directory)
    texts = ["a", "b c d", "", "x y"]
    together = model.encode(texts, convert_to_sparse_tensor=False)
    assert isinstance(together, np.ndarray)
    # another product of matrices may round otherwise
    for row, text in zip(together, texts, strict=True):
        alone = model.encode(text)
        assert isinstance(alone, SparseEmbeddings)
        np.testing.assert_allclose(row, alone.toarray(), rtol=0, atol=1e-6)
    assert model.encode([]).shape == (0, TINY.vocab_size)
    assert model.similarity(model.encode(texts), together).shape == (4, 4)
    assert model.get_embedding_dimension() == TINY.vocab_size


def test_what_was_cut_is_warned_of(directory: Path) -> None:
    with pytest.warns(TruncationWarning, match="1 of 2 texts were cut"):
        SparseEncoder(directory).encode(["a", "a " * 90])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architectures": ["BertModel"]}, r"architectures \['BertModel'\] is not supported"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings must be true"),
    ],
)
def test_what_is_no_model_for_masked_words_is_refused(
    directory: Path, fields: dict[str, Any], message: str
) -> None:
    edit(directory / "config.json", **fields)
    with pytest.raises(CheckpointError, match=message):
        SparseEncoder(directory)


def test_a_decoder_of_its_own_is_refused(directory: Path) -> None:
    path = directory / "model.safetensors"
    tensors, name = load_file(path), "cls.predictions.decoder.weight"
    words = tensors["bert.embeddings.word_embeddings.weight"]
    save_file({**tensors, name: words.copy()}, path)
    before = SparseEncoder(directory).encode("a")
    save_file({**tensors, name: words * 2}, path)
    with pytest.raises(CheckpointError, match="differs from the tensor that it is tied to"):
        SparseEncoder(directory)
    assert isinstance(before, SparseEmbeddings)


def test_a_sentence_encoder_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    with pytest.raises(
        CheckpointError, match="model_type 'SentenceTransformer' is not supported, only 'Spar"
    ):
        SparseEncoder(make_checkpoint())


def test_unknown_arguments_are_refused_by_name(directory: Path) -> None:
    model = SparseEncoder(directory)
    with pytest.raises(TypeError, match="convert_to_numpy"):
        model.encode("a", convert_to_numpy=False)
    with pytest.raises(ValueError, match="similarity_fn_name must be one of"):
        model.similarity_fn_name = "nonsense"


def test_the_settings_are_saved(directory: Path, tmp_path: Path) -> None:
    model = SparseEncoder(directory, max_active_dims=5, similarity_fn_name="cosine", prompts={"query": "q "})
    model.save_pretrained(tmp_path / "saved")
    again = SparseEncoder(tmp_path / "saved")
    assert (again.max_active_dims, again.similarity_fn_name, again.prompts["query"]) == (5, "cosine", "q ")
    assert again.encode("a b").todict() == model.encode("a b").todict()
    assert again.encode_query("a").todict() == model.encode("q a").todict()
