"""SparseEncoder and MaxSim against sentence-transformers, on random checkpoints of every family."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, SparseEmbeddings, SparseEncoder, util
from tests.parity.differences import note
from tests.parity.neighbours import FAMILIES, LIMIT, save_network, save_tokenizer
from tests.parity.texts import TEXTS

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    from sentence_transformers.util import maxsim, maxsim_pairwise

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order. The weights reach 2, as those of trained networks do.
BOUND = 1e-6


def save(family: str, directory: Path, **changes: Any) -> Path:
    """A model for masked words, as transformers saves it."""
    size = save_tokenizer(family, directory)
    save_network(family, directory, model="ForMaskedLM", vocab_size=size, initializer_range=0.1, **changes)
    return directory


def both(directory: Path, **options: Any) -> tuple[SparseEncoder, Any]:
    original = sentence_transformers.SparseEncoder(str(directory), device="cpu", **options)
    return SparseEncoder(directory, **options), original


@pytest.mark.parametrize("family", ["bert", *FAMILIES])
def test_weights_are_the_originals(family: str, tmp_path: Path) -> None:
    ours, original = both(save(family, tmp_path))
    assert ours.max_seq_length == original.max_seq_length == LIMIT
    mine = ours.encode(TEXTS)
    theirs = original.encode(TEXTS).to_dense().numpy()
    assert isinstance(mine, SparseEmbeddings)
    assert mine.shape == theirs.shape
    assert 0.05 < (theirs == 0).mean() < 0.95  # neither empty nor dense
    note(f"SparseEncoder.encode, {family}", mine.toarray(), theirs)
    np.testing.assert_allclose(mine.toarray(), theirs, rtol=0, atol=BOUND)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_one_text_gives_one_vector_and_lists_are_lists(tmp_path: Path, is_sparse: bool) -> None:
    ours, original = both(save("bert", tmp_path))
    options: dict[str, Any] = {"convert_to_sparse_tensor": is_sparse}
    one, expected = ours.encode(TEXTS[3], **options), original.encode(TEXTS[3], **options)
    assert isinstance(one, SparseEmbeddings if is_sparse else np.ndarray)
    assert (one.shape, one.ndim, len(one)) == (tuple(expected.shape), expected.ndim, len(expected))
    if isinstance(one, SparseEmbeddings):
        one, expected = one.toarray(), expected.to_dense()
    np.testing.assert_allclose(one, expected, rtol=0, atol=BOUND)
    many = ours.encode(TEXTS[:3], None, None, 32, False, False, is_sparse)  # by place
    theirs = original.encode(TEXTS[:3], None, None, 32, False, False, is_sparse)
    assert isinstance(many, list)
    assert isinstance(theirs, list)
    assert [tuple(row.shape) for row in many] == [tuple(row.shape) for row in theirs]
    words, weights = zip(*ours.decode(many[1], 4), strict=True)
    expected_words, expected_weights = zip(*original.decode(theirs[1], 4), strict=True)
    assert words == expected_words
    np.testing.assert_allclose(weights, expected_weights, rtol=0, atol=BOUND)
    assert ours.sparsity(many[1]) == pytest.approx(original.sparsity(theirs[1]), rel=1e-6)
    np.testing.assert_allclose(
        ours.similarity(many[0], many[1]),
        original.similarity(theirs[0], theirs[1]),
        rtol=0,
        atol=BOUND * 100,  # a sum over hundreds of products
    )


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("function", ["relu", "log1p_relu"])
def test_a_saved_splade_model_is_obeyed(tmp_path: Path, strategy: str, function: str) -> None:
    plain = sentence_transformers.SparseEncoder(str(save("distilbert", tmp_path / "plain")), device="cpu")
    pooling = SpladePooling(pooling_strategy=strategy, activation_function=function)
    made = sentence_transformers.SparseEncoder(
        modules=[plain[0], pooling],
        device="cpu",
        max_active_dims=7,
        similarity_fn_name="cosine",
        prompts={"query": "q ", "document": "d "},
    )
    made.save_pretrained(str(tmp_path / "saved"))
    ours, original = both(tmp_path / "saved")
    assert ours.max_active_dims == original.max_active_dims == 7
    assert ours.similarity_fn_name == original.similarity_fn_name == "cosine"
    fewer = {"max_active_dims": 3}  # than the model keeps
    for method, options in (("encode", {}), ("encode_query", {}), ("encode_document", {}), ("encode", fewer)):
        mine = getattr(ours, method)(TEXTS, **options)
        theirs = getattr(original, method)(TEXTS, **options).to_dense().numpy()
        # a sum over 64 tokens is 64 times as large
        np.testing.assert_allclose(mine.toarray(), theirs, rtol=0, atol=BOUND * max(1, theirs.max()))
    ours.save_pretrained(tmp_path / "ours")
    again = sentence_transformers.SparseEncoder(str(tmp_path / "ours"), device="cpu")
    np.testing.assert_allclose(
        again.encode(TEXTS).to_dense().numpy(), original.encode(TEXTS).to_dense().numpy()
    )


def test_a_plain_model_that_is_saved_is_read_by_the_original(tmp_path: Path) -> None:
    ours, original = both(save("mpnet", tmp_path / "plain"), similarity_fn_name="dot", max_active_dims=5)
    ours.save_pretrained(tmp_path / "saved")
    again = sentence_transformers.SparseEncoder(str(tmp_path / "saved"), device="cpu")
    assert again.max_active_dims == 5
    np.testing.assert_array_equal(again.encode(TEXTS).to_dense(), original.encode(TEXTS).to_dense())


@pytest.mark.parametrize("name", ["dot", "cosine", "euclidean", "manhattan"])
def test_similarity_decode_and_sparsity(tmp_path: Path, name: str) -> None:
    ours, original = both(save("roberta", tmp_path), similarity_fn_name=name)
    mine, theirs = ours.encode(TEXTS[:20]), original.encode(TEXTS[:20])
    scores = original.similarity(theirs, theirs).numpy()
    # sums over a vocabulary of hundreds; the distance of a vector to itself is a root of a rounding error
    tolerance = BOUND * max(1, np.abs(scores).max()) if name != "euclidean" else 2e-2
    np.testing.assert_allclose(ours.similarity(mine, mine), scores, rtol=0, atol=tolerance)
    pairwise = original.similarity_pairwise(theirs, theirs).numpy()
    np.testing.assert_allclose(ours.similarity_pairwise(mine, mine), pairwise, rtol=0, atol=tolerance)
    assert ours.sparsity(mine) == pytest.approx(
        original.sparsity(theirs), rel=1e-6
    )  # the original's is float32
    for row, expected in zip(ours.decode(mine, top_k=4), original.decode(theirs, top_k=4), strict=True):
        assert [token for token, _ in row] == [token for token, _ in expected]
        np.testing.assert_allclose([w for _, w in row], [w for _, w in expected], rtol=0, atol=BOUND)
    full, expected = ours.decode(mine)[0], original.decode(theirs)[0]
    assert dict(full).keys() == dict(expected).keys()
    assert isinstance(mine, SparseEmbeddings)
    one, exact = mine.toarray()[2], theirs.to_dense()[2]
    assert [token for token, _ in ours.decode(one, 3)] == [token for token, _ in original.decode(exact, 3)]
    assert ours.sparsity(one) == pytest.approx(original.sparsity(exact), rel=1e-6)


def test_what_is_no_splade_model_is_refused(tmp_path: Path) -> None:
    save("roberta", tmp_path)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "architectures": ["RobertaModel"]}))
    with pytest.raises(CheckpointError, match="a SparseEncoder needs a model for masked words"):
        SparseEncoder(tmp_path)
    path.write_text(json.dumps({**fields, "tie_word_embeddings": False}))
    with pytest.raises(CheckpointError, match="tie_word_embeddings must be true"):
        SparseEncoder(tmp_path)


@pytest.mark.parametrize("length_normalize", [False, True])
def test_maxsim(length_normalize: bool) -> None:
    random = np.random.default_rng(0)
    queries = [random.normal(size=(n, 8)).astype(np.float32) for n in (1, 5, 3)]
    documents = [random.normal(size=(n, 8)).astype(np.float32) for n in (4, 1, 9, 2)]
    mine = util.maxsim(queries, documents, length_normalize=length_normalize)
    theirs = maxsim(queries, documents, length_normalize=length_normalize).numpy()
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    note("util.maxsim", mine, theirs)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)  # sums that reach 25
    np.testing.assert_allclose(util.maxsim(queries[1], documents), maxsim(queries[1], documents), atol=1e-5)
    block = random.normal(size=(3, 6, 8)).astype(np.float32)
    np.testing.assert_allclose(util.maxsim(block, documents), maxsim(block, documents), atol=1e-5)
    paired = util.maxsim_pairwise(queries, documents[:3], length_normalize=length_normalize)
    expected = maxsim_pairwise(queries, documents[:3], length_normalize=length_normalize)
    np.testing.assert_allclose(paired, expected, rtol=0, atol=1e-5)
    tensors = [torch.from_numpy(query) for query in queries]
    assert isinstance(util.maxsim(tensors, documents), torch.Tensor)
