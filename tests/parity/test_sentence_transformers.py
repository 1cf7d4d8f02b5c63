"""minilm in the place of sentence-transformers: the same calls, the same numbers (extra "golden")."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointNotFoundError, MiniLM, util
from tests.parity.differences import note
from tests.parity.texts import TEXTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    original_package = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    from sentence_transformers import util as original_util

# Both compute in float32 and round in another order: 3.3e-7 was seen between embeddings.
EMBEDDINGS = 1e-6
PROMPTS = {"query": "query: ", "shout": "HEY! "}
SOME = TEXTS[:60]


@pytest.fixture(scope="module")
def original(model: MiniLM) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return original_package.SentenceTransformer(
            str(model.checkpoint.directory), device="cpu", prompts=dict(PROMPTS)
        )


@pytest.fixture(scope="module")
def ours(model: MiniLM) -> MiniLM:
    return MiniLM(model.checkpoint.directory, prompts=PROMPTS)


def assert_same(function: str, mine: Any, theirs: Any, atol: float = EMBEDDINGS) -> None:
    theirs = np.asarray(theirs)
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    note(function, mine, theirs)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)


@pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prompt": "passage: "},
        {"prompt_name": "shout"},
        {"prompt": ""},
        {"truncate_dim": 100},
        {"truncate_dim": 100, "normalize_embeddings": True},
        {"normalize_embeddings": False},
        {"truncate_dim": 1000},
        {"batch_size": 7, "show_progress_bar": False, "convert_to_numpy": True, "device": "cpu"},
    ],
)
@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
def test_encode(ours: MiniLM, original: Any, method: str, options: dict[str, Any]) -> None:
    for given in (SOME, SOME[3]):
        mine, theirs = getattr(ours, method)(given, **options), getattr(original, method)(given, **options)
        assert_same(f"MiniLM.{method}", mine, theirs)


def test_arguments_in_their_places(ours: MiniLM, original: Any) -> None:
    given = (SOME[:5], "shout", None, 2, False, "sentence_embedding", "float32", True, False, None, True, 50)
    mine = ours.encode(*given)  # type: ignore[call-overload]
    assert_same("MiniLM.encode", mine, original.encode(*given))


@pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")
@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary", "float32"])
def test_precision(ours: MiniLM, original: Any, precision: Any) -> None:
    mine, theirs = ours.encode(SOME, precision=precision), original.encode(SOME, precision=precision)
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    if precision == "float32":
        assert_same("MiniLM.encode", mine, theirs)
    elif "int8" in precision:
        # one in a few thousand lies so near to a step's edge that a difference of 1e-7 moves it across
        steps = np.abs(mine.astype(int) - theirs.astype(int))
        assert steps.max() <= 1
        assert np.mean(steps > 0) < 1e-3
    else:
        bits = np.unpackbits(mine.view(np.uint8) ^ theirs.view(np.uint8))
        assert np.mean(bits) < 1e-4
    # quantizing the very same embeddings gives the very same bytes
    embeddings = original.encode(SOME)
    same = util.quantize_embeddings(embeddings, precision)
    note("util.quantize_embeddings", same, original_util.quantize_embeddings(embeddings, precision))
    np.testing.assert_array_equal(same, original_util.quantize_embeddings(embeddings, precision))


@pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")
def test_token_embeddings_and_everything(ours: MiniLM, original: Any) -> None:
    mine = ours.encode(SOME, output_value="token_embeddings")
    for a, b in zip(mine, original.encode(SOME, output_value="token_embeddings"), strict=True):
        # states reach 5, embeddings 0.2
        assert_same("MiniLM.encode, token_embeddings", a, b, atol=25 * EMBEDDINGS)
    everything = ours.encode(SOME[:8], output_value=None)
    for features, theirs in zip(everything, original.encode(SOME[:8], output_value=None), strict=True):
        assert set(features) <= set(theirs)
        real = np.asarray(theirs["attention_mask"]) == 1  # theirs are padded to the longest of the batch
        for name in ("input_ids", "token_type_ids", "attention_mask"):
            np.testing.assert_array_equal(features[name], np.asarray(theirs[name])[real])
        tokens = np.asarray(theirs["token_embeddings"])[real]
        mine_tokens = features["token_embeddings"]
        assert_same("MiniLM.encode, token_embeddings", mine_tokens, tokens, atol=25 * EMBEDDINGS)
        mine_embedding = features["sentence_embedding"]
        assert_same("MiniLM.encode, output_value None", mine_embedding, theirs["sentence_embedding"])
    assert set(ours.encode("one", output_value=None)) == set(everything[0])


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarity(ours: MiniLM, original: Any, model: MiniLM, name: str) -> None:
    a, b = 3 * model.encode(SOME[:20]), 2 * model.encode(SOME[20:40])
    original.similarity_fn_name = ours.similarity_fn_name = name
    try:
        # torch adds up 384 terms one after another, in float32: 4.6e-5 was seen on distances of up to 57
        bound = 1e-4 if name == "manhattan" else 1e-5
        for given in ((a, b), (a[0], b[0])):
            mine, theirs = ours.similarity(*given), original.similarity(*given)
            assert_same(f"MiniLM.similarity, {name}", mine, theirs, atol=bound)
        mine, theirs = ours.similarity_pairwise(a, b), original.similarity_pairwise(a, b)
        assert_same(f"MiniLM.similarity_pairwise, {name}", mine, theirs, atol=bound)
    finally:
        original.similarity_fn_name = ours.similarity_fn_name = "cosine"


def test_what_the_model_says_of_itself(ours: MiniLM, original: Any) -> None:
    assert ours.get_embedding_dimension() == original.get_embedding_dimension() == 384
    assert ours.max_seq_length == original.max_seq_length == 256
    assert ours.get_max_seq_length() == original.get_max_seq_length()
    assert ours.similarity_fn_name == original.similarity_fn_name == "cosine"
    assert ours.prompts == original.prompts
    mine, theirs = ours.tokenize(SOME[:9]), original.tokenize(SOME[:9])
    for name, ids in mine.items():
        np.testing.assert_array_equal(ids, np.asarray(theirs[name]))
        note("MiniLM.tokenize", ids, theirs[name])


def test_search_mining_and_communities(original: Any) -> None:
    distinct = list(dict.fromkeys(text for text in TEXTS if len(text) < 500))
    embeddings = original.encode(distinct)
    mine = util.semantic_search(embeddings[:20], embeddings, top_k=7, corpus_chunk_size=13)
    theirs = original_util.semantic_search(embeddings[:20], embeddings, top_k=7, corpus_chunk_size=13)
    for a, b in zip(mine, theirs, strict=True):
        scores, expected = [h["score"] for h in a], [h["score"] for h in b]
        np.testing.assert_allclose(scores, expected, rtol=0, atol=EMBEDDINGS)
        note("util.semantic_search", scores, expected)
    for options in ({}, {"max_pairs": 30}, {"top_k": 2, "query_chunk_size": 11, "corpus_chunk_size": 17}):
        pairs = util.paraphrase_mining_embeddings(embeddings, **options)  # type: ignore[arg-type]
        wanted = original_util.paraphrase_mining_embeddings(
            original.encode(distinct, convert_to_tensor=True), **options
        )
        scores, expected = [p[0] for p in pairs], [p[0] for p in wanted]
        np.testing.assert_allclose(scores, expected, rtol=0, atol=EMBEDDINGS)
        note("util.paraphrase_mining_embeddings", scores, expected)
    for threshold, size in ((0.3, 3), (0.5, 2), (0.75, 2)):
        found = util.community_detection(embeddings, threshold=threshold, min_community_size=size)
        communities = original_util.community_detection(
            embeddings, threshold=threshold, min_community_size=size
        )
        assert [sorted(c) for c in found] == [sorted(c) for c in communities]
        assert [c[0] for c in found] == [c[0] for c in communities]
        note("util.community_detection", [c[0] for c in found], [c[0] for c in communities])


def test_paraphrase_mining(ours: MiniLM, original: Any) -> None:
    distinct = list(dict.fromkeys(text for text in TEXTS if 0 < len(text) < 300))
    mine = util.paraphrase_mining(ours, distinct, top_k=5)
    theirs = original_util.paraphrase_mining(original, distinct, top_k=5)
    scores, expected = [pair[0] for pair in mine], [pair[0] for pair in theirs]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=EMBEDDINGS)
    note("util.paraphrase_mining", scores, expected)


@pytest.mark.parametrize(
    "name",
    [
        *("cos_sim", "dot_score", "euclidean_sim", "manhattan_sim"),
        *("pairwise_cos_sim", "pairwise_dot_score", "pairwise_euclidean_sim", "pairwise_manhattan_sim"),
    ],
)
def test_similarity_functions(model: MiniLM, name: str) -> None:
    a, b = model.encode(SOME[:20]), model.encode(SOME[20:40])
    mine, theirs = getattr(util, name)(a, b), getattr(original_util, name)(a, b)
    # vectors of length 1: distances reach 2, sums of 384 absolute differences 40
    assert_same(f"util.{name}", mine, theirs, atol=4e-5 if "manhattan" in name else 1e-6)


def test_scaling_and_cutting(model: MiniLM) -> None:
    embeddings = 3 * model.encode(SOME[:20])
    torch = pytest.importorskip("torch", reason="torch is not installed")
    given = torch.from_numpy(embeddings)
    assert_same(
        "util.normalize_embeddings",
        util.normalize_embeddings(embeddings),
        original_util.normalize_embeddings(given),
    )
    cut, expected = util.truncate_embeddings(embeddings, 100), original_util.truncate_embeddings(given, 100)
    assert_same("util.truncate_embeddings", cut, expected)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "onnx"}, "there is one backend, numpy"),
        ({"model_kwargs": {"dtype": "float16"}}, "of these minilm knows .*, with values that change nothing"),
        ({"trust_remote_code": 3}, "runs no code of a checkpoint"),
        ({"device": "cuda"}, "runs on the CPU"),
        ({"modules": []}, "not of torch's modules"),
    ],
)
def test_constructor_arguments_of_torch_are_refused(options: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        MiniLM(**options)


@pytest.mark.filterwarnings("ignore:use_auth_token:FutureWarning")
def test_every_constructor_argument_is_known() -> None:
    for name in inspect.signature(original_package.SentenceTransformer.__init__).parameters:
        if name not in ("self", "model_name_or_path", "local_files_only"):
            # refused with a reason, or taken until it turns out that there is no such model
            with pytest.raises((ValueError, CheckpointNotFoundError)):
                MiniLM("no/such-model", local_files_only=True, **{name: "nothing"})  # type: ignore[arg-type]
