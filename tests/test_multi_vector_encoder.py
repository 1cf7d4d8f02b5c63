"""multi_vector_encoder.py: roles, lengths and scores by hand; whole texts are the parity tests'."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from minilm import CheckpointError, CheckpointWarning, MiniLM, MultiVectorEncoder, TruncationWarning, encoder
from minilm.checkpoint.weights import load_parameters
from minilm.fast.expanding import QueryExpansion
from tests.checkpoints import TINY, MakeCheckpoint, write_multi_vector_encoder

MASK = 4  # the id of [MASK]
FIXED = {"strategy": "fixed", "length": 8}


@pytest.fixture
def directory(make_checkpoint: MakeCheckpoint) -> Path:
    return write_multi_vector_encoder(make_checkpoint, skiplist_words=["x", "y"])


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def by_hand(directory: Path, rows: list[list[int]], mask: list[list[int]]) -> np.ndarray:
    """Hidden states in float64, times the projection, at length 1."""
    parameters = load_parameters(directory / "model.safetensors", TINY, dtype=np.float64)
    states = encoder.encode(np.array(rows), np.array(mask), parameters, TINY)
    weight = load_file(directory / "1_Dense" / "model.safetensors")["linear.weight"]
    projected = states @ weight.T.astype(np.float64)
    return projected / np.linalg.norm(projected, axis=-1, keepdims=True)


def test_a_vector_is_the_projected_state_at_length_1(directory: Path) -> None:
    model = MultiVectorEncoder(directory)
    ids = model.tokenizer.texts(["d a b"]).input_ids
    [vectors] = by_hand(directory, ids, [[1] * len(ids[0])])
    mine = model.encode_document("a b")
    assert (mine.shape, mine.dtype) == ((5, 4), np.float32)
    np.testing.assert_allclose(mine, vectors, rtol=0, atol=1e-6)  # float32 against float64
    assert model.get_embedding_dimension() == 4
    assert repr(model).endswith("4 components per token)")


def test_documents_lose_the_tokens_of_the_skiplist_and_queries_keep_them(directory: Path) -> None:
    model = MultiVectorEncoder(directory)
    kept = model.encode_document("a x b y")
    whole = model.encode("a x b y", prompt="d ", task="query")
    assert (len(kept), len(whole)) == (5, 7)
    np.testing.assert_array_equal(kept, whole[[0, 1, 2, 4, 6]])
    assert len(model.encode("x y")) == 2  # a text without a task is a document


@pytest.mark.parametrize("attend", [False, True])
def test_queries_are_filled_up_with_mask_tokens(make_checkpoint: MakeCheckpoint, attend: bool) -> None:
    directory = write_multi_vector_encoder(make_checkpoint, {"query_expansion": {**FIXED, "attend": attend}})
    model = MultiVectorEncoder(directory)
    assert model.query_expansion == QueryExpansion(8, MASK, is_fixed=True, attend=attend)
    texts = ["a b", "", "c"]
    rows = [model.tokenizer.texts([f"q {text}"]).input_ids[0] for text in texts]
    filled = [[*row, *[MASK] * (8 - len(row))] for row in rows]
    mask = [[1] * len(row) + [int(attend)] * (8 - len(row)) for row in rows]
    expected = by_hand(directory, filled, mask)
    for mine, theirs in zip(model.encode_query(texts), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)  # float32 against float64
    assert len(model.encode_document("a b")) == 5  # documents are not


def test_a_query_near_the_longest_that_the_model_takes_is_filled_up(make_checkpoint: MakeCheckpoint) -> None:
    expansion = {"strategy": "fixed", "length": 20}
    directory = write_multi_vector_encoder(make_checkpoint, {"query_expansion": expansion})
    model = MultiVectorEncoder(directory)
    text = "a b c d e f g h i j k"  # 14 tokens with [CLS], q and [SEP], and twice 14 are more than 24
    [row] = model.tokenizer.texts([f"q {text}"]).input_ids
    [expected] = by_hand(directory, [[*row, *[MASK] * 6]], [[1] * 14 + [0] * 6])
    np.testing.assert_allclose(model.encode_query(text), expected, rtol=0, atol=1e-6)  # float32


def test_the_arguments_of_the_constructor_are_obeyed(directory: Path) -> None:
    model = MultiVectorEncoder(
        directory, device="cpu", processor_kwargs={"model_max_length": 5}, threads=1, local_files_only=True
    )
    assert (model.max_seq_length, model.threads) == (5, 1)
    with pytest.raises(ValueError, match="backend='onnx' is not supported"):
        MultiVectorEncoder(directory, backend="onnx")


def test_a_long_query_is_cut_at_the_fixed_length_or_not_at_all(make_checkpoint: MakeCheckpoint) -> None:
    lengths = {"query_length": 12, "document_length": 6}
    fixed = MultiVectorEncoder(write_multi_vector_encoder(make_checkpoint, {"query_expansion": FIXED}))
    with pytest.warns(TruncationWarning, match=r"1 of 2 texts were cut at 8 tokens"):
        assert [len(vectors) for vectors in fixed.encode_query(["a", "a " * 20])] == [8, 8]
    expansion = {**FIXED, "strategy": "min"}
    path = fixed.checkpoint.directory / "sentence_bert_config.json"
    edit(path, query_expansion=expansion, **lengths)
    least = MultiVectorEncoder(fixed.checkpoint.directory)
    assert (least.query_length, least.document_length, least.max_seq_length) == (12, 6, 16)
    with pytest.warns(TruncationWarning, match=r"1 of 3 texts were cut at 12 tokens"):
        assert [len(v) for v in least.encode_query(["a", "a " * 7, "a " * 20])] == [8, 10, 12]
    with pytest.warns(TruncationWarning, match="cut at 6 tokens"):
        assert len(least.encode_document("a " * 20)) == 6
    with pytest.warns(TruncationWarning, match="cut at 16 tokens"):
        assert len(least.encode("a " * 20)) == 16


def test_a_text_has_the_same_vectors_in_any_company(make_checkpoint: MakeCheckpoint) -> None:
    model = MultiVectorEncoder(write_multi_vector_encoder(make_checkpoint, {"query_expansion": FIXED}))
    texts = ["a", "b c d e f g h i j", "", "x y"] * 30
    with pytest.warns(TruncationWarning):
        together = model.encode_query(texts, batch_size=3)
    for vectors, text in zip(together, texts[:4], strict=False):
        alone = model.encode_query(text) if len(text) < 9 else vectors
        # another product of matrices may round otherwise
        np.testing.assert_allclose(vectors, alone, rtol=0, atol=1e-6)
    assert model.encode_query([]) == model.encode_document([]) == []


def test_prompts_and_defaults_are_those_of_the_role(directory: Path) -> None:
    model = MultiVectorEncoder(directory, prompts={"other": "o "}, default_prompt_name="other")
    for mine, prompt, task in (
        (model.encode_query("a"), "q ", "query"),
        (model.encode_document("a"), "d ", "document"),
        (model.encode("a"), "o ", None),
        (model.encode_query("a", "other"), "o ", "query"),
        (model.encode_document("a", None, "z "), "z ", "document"),
    ):
        np.testing.assert_array_equal(mine, model.encode("a", prompt=prompt, task=task))


def test_what_is_cut_follows_the_side_that_was_set(make_checkpoint: MakeCheckpoint) -> None:
    model = MultiVectorEncoder(write_multi_vector_encoder(make_checkpoint, {"document_length": 5}))
    text = "a b c e f g"
    with pytest.warns(TruncationWarning):
        first = model.encode_document(text, prompt="")
    model.tokenizer.truncation_side = "left"
    with pytest.warns(TruncationWarning):
        last = model.encode_document(text, prompt="")
    np.testing.assert_array_equal(first, model.encode("a b c"))
    np.testing.assert_array_equal(last, model.encode("e f g"))


def test_scores_by_hand(directory: Path) -> None:
    model = MultiVectorEncoder(directory)
    queries, documents = model.encode_query(["a b", "c"]), model.encode_document(["a", "b c", "e"])
    expected = [[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries]
    np.testing.assert_allclose(model.similarity(queries, documents), expected, rtol=1e-6)
    paired = model.similarity_pairwise(queries, documents[:2])
    np.testing.assert_allclose(paired, [expected[0][0], expected[1][1]], rtol=1e-6)
    mean = MultiVectorEncoder(directory, similarity_fn_name="meanmaxsim")
    lengths = [[len(query)] for query in queries]
    np.testing.assert_allclose(mean.similarity(queries, documents), np.array(expected) / lengths, rtol=1e-6)
    plain = mean.similarity(queries, documents, length_normalize=False, device="cpu")
    np.testing.assert_allclose(plain, expected, rtol=1e-6)
    with pytest.raises(TypeError, match="'length_normalise'; did you mean 'length_normalize'"):
        model.similarity(queries, documents, length_normalise=True)


def test_normalize_embeddings_scales_to_length_1(directory: Path) -> None:
    modules = json.loads((directory / "modules.json").read_text())
    (directory / "modules.json").write_text(json.dumps(modules[:3]))
    model = MultiVectorEncoder(directory)
    raw, scaled = model.encode("a b"), model.encode("a b", normalize_embeddings=True)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert (np.abs(lengths - 1) > 0.01).all()
    np.testing.assert_allclose(scaled, raw / lengths, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_value": None}, "output_value must be 'token_embeddings', not None"),
        ({"token_pooling": object()}, "token_pooling=.* is not supported: pool what encode returns"),
        ({"task": "answer"}, "task must be one of query, document, not 'answer'"),
        ({"device": "cuda"}, "device='cuda' is not supported"),
        ({"prompt_name": "nobody"}, "prompt_name must be one of"),
    ],
)
def test_values_that_are_not_computed_are_refused(
    directory: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        MultiVectorEncoder(directory).encode("a", **options)


def test_unknown_arguments_pairs_and_settings_are_refused(directory: Path) -> None:
    model = MultiVectorEncoder(directory)
    with pytest.raises(TypeError, match="convert_to_tensor"):
        model.encode("a", convert_to_tensor=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'task'"):
        model.encode_query("a", task="document")
    with pytest.raises(TypeError, match=r"inputs\[1\] must be a str, not tuple"):
        model.encode(["a", ("a", "b")])
    with pytest.raises(ValueError, match="similarity_fn_name must be one of maxsim, meanmaxsim, not 'dot'"):
        model.similarity_fn_name = "dot"
    with pytest.raises(AttributeError, match="query_length of a MultiVectorEncoder cannot be set"):
        model.query_length = 3  # type: ignore[misc]


def test_the_settings_are_saved(directory: Path, tmp_path: Path) -> None:
    model = MultiVectorEncoder(directory, similarity_fn_name="meanmaxsim", prompts={"query": "z "})
    model.max_seq_length = 9
    model.save_pretrained(tmp_path / "saved")
    again = MultiVectorEncoder(tmp_path / "saved")
    assert (again.similarity_fn_name, again.prompts["query"], again.max_seq_length) == ("meanmaxsim", "z ", 9)
    np.testing.assert_array_equal(again.encode_query("a x"), model.encode_query("a x"))
    np.testing.assert_array_equal(again.encode_document("a x"), model.encode_document("a x"))


def test_a_pickled_model_encodes_as_before(make_checkpoint: MakeCheckpoint) -> None:
    model = MultiVectorEncoder(write_multi_vector_encoder(make_checkpoint, {"query_expansion": FIXED}))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.encode_query("a b"), model.encode_query("a b"))


def test_a_sentence_encoder_refuses_it_and_names_the_class(
    directory: Path, make_checkpoint: MakeCheckpoint
) -> None:
    with pytest.raises(CheckpointError, match=r"minilm\.MultiVectorEncoder reads it"):
        MiniLM(directory)
    with pytest.raises(CheckpointError, match="model_type 'SentenceTransformer' is not supported, only 'Mul"):
        MultiVectorEncoder(make_checkpoint("bi-encoder"))


def test_a_word_that_is_no_token_leaves_nothing_out(directory: Path) -> None:
    edit(directory / "2_MultiVectorMask" / "config.json", skiplist_words=["x", "!"])
    with pytest.warns(CheckpointWarning, match=r"skiplist_words \['!'\] are no tokens"):
        model = MultiVectorEncoder(directory)
    assert [len(model.encode(text)) for text in ("x", "y", "!")] == [2, 3, 3]
