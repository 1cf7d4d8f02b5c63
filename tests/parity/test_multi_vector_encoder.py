"""MultiVectorEncoder and MaxSim against sentence-transformers, on random checkpoints that it saved."""

from __future__ import annotations

import json
import string
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, MiniLM, MultiVectorEncoder, util
from tests.parity.differences import note
from tests.parity.neighbours import FAMILIES, SHAPE, save_encoder
from tests.parity.texts import TEXTS

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling, MultiVectorMask

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Vectors of length 1; both compute in float32 and round in another order.
BOUND = 1e-6
# Vectors of random networks, which are not scaled, reach 10.
UNSCALED = 1e-5

WIDTH = SHAPE["hidden_size"]
TOKENS = "token_embeddings"
HOSTILE = [*TEXTS, "", " ", "...", "?!", ",;:-", "[MASK] a", "word " * 300, "a, b. c!", "\u200b", "[Q] [D]"]
PUNCTUATION = list(string.punctuation)
FIXED = {"strategy": "fixed", "length": 32}


def dense(inputs: int = WIDTH, outputs: int = 16, *, bias: bool = False, activation: Any = None) -> Any:
    torch.manual_seed(outputs)
    return Dense(
        inputs,
        outputs,
        bias=bias,
        activation_function=activation or torch.nn.Identity(),
        module_input_name=TOKENS,
    )


def save(family: str, directory: Path, *modules: Any, prompts: Any = None, **transformer: Any) -> Path:
    """A model as the original saves it; after the Transformer a Dense, a mask and Normalize by default."""
    save_encoder(family, directory / "plain", initializer_range=0.1)  # weights as large as trained ones
    modules = modules or (dense(), MultiVectorMask(skiplist_words=PUNCTUATION), Normalize(TOKENS))
    made = sentence_transformers.MultiVectorEncoder(
        modules=[Transformer(str(directory / "plain"), **transformer), *modules],
        device="cpu",
        prompts=prompts or {"query": "[Q] ", "document": "[D] "},
    )
    made.save_pretrained(str(directory / "saved"))
    return directory / "saved"


def both(directory: Path, **options: Any) -> tuple[MultiVectorEncoder, Any]:
    original = sentence_transformers.MultiVectorEncoder(str(directory), device="cpu", **options)
    return MultiVectorEncoder(directory, **options), original


def compare(
    ours: MultiVectorEncoder, original: Any, name: str = "", bound: float = BOUND, **options: Any
) -> None:
    for method in ("encode_query", "encode_document", "encode"):
        mine = getattr(ours, method)(HOSTILE, **options)
        theirs = getattr(original, method)(HOSTILE, convert_to_numpy=True, **options)
        assert [vectors.shape for vectors in mine] == [vectors.shape for vectors in theirs], method
        assert {vectors.dtype for vectors in mine} == {np.dtype(np.float32)}
        if name:
            note(f"MultiVectorEncoder.encode, {name}", np.concatenate(mine), np.concatenate(theirs))
        np.testing.assert_allclose(
            np.concatenate(mine), np.concatenate(theirs), rtol=0, atol=bound, err_msg=method
        )


@pytest.mark.parametrize("family", ["bert", *FAMILIES])
def test_vectors_of_colbert_are_the_originals(family: str, tmp_path: Path) -> None:
    ours, original = both(save(family, tmp_path, query_expansion=FIXED, document_length=40))
    assert ours.get_embedding_dimension() == original.get_embedding_dimension() == 16
    assert {len(vectors) for vectors in ours.encode_query(HOSTILE)} == {32}
    compare(ours, original, family)


@pytest.mark.parametrize("family", ["bert", *FAMILIES])
@pytest.mark.parametrize("attend", [False, True])
@pytest.mark.parametrize("strategy", ["fixed", "min"])
def test_queries_are_filled_up_as_in_the_original(
    family: str, attend: bool, strategy: str, tmp_path: Path
) -> None:
    expansion = {"strategy": strategy, "attend": attend, "length": 24}
    length = {"query_length": 30} if strategy == "min" else {}
    compare(*both(save(family, tmp_path, query_expansion=expansion, **length)))


def test_a_token_of_its_own_fills_queries_up(tmp_path: Path) -> None:
    expansion = {"strategy": "min", "token": "[PAD]", "length": 20}  # and no query_length
    compare(*both(save("bert", tmp_path, query_expansion=expansion)))


@pytest.mark.parametrize(
    "lengths",
    [{}, {"query_length": 8}, {"document_length": 150}, {"query_length": 100, "document_length": 7}],
)
def test_each_role_has_a_length(lengths: dict[str, int], tmp_path: Path) -> None:
    ours, original = both(save("roberta", tmp_path, **lengths))
    assert (ours.query_length, ours.document_length) == (
        lengths.get("query_length"),
        lengths.get("document_length"),
    )
    assert ours.query_expansion is None
    compare(ours, original)


@pytest.mark.parametrize(
    "modules",
    [
        (),
        (dense(),),
        (Normalize(TOKENS),),
        (dense(), Normalize(TOKENS), dense(16, 8, bias=True, activation=torch.nn.Tanh()), MultiVectorMask()),
        (MultiVectorMask(skiplist_words=["the", "[SEP]"], skiplist_tasks=["query", "document"]), dense()),
        (dense(), MultiVectorMask(skiplist_words=["a", "[UNK]"], skiplist_tasks="query"), Normalize(TOKENS)),
        (dense(), Normalize(TOKENS), MultiVectorMask(keep_only_token_ids=[2, 9, 11, 40])),
        (
            dense(),
            Normalize(TOKENS),
            MultiVectorMask([".", "no such"], keep_only_token_ids=[3, *range(5, 60)]),
        ),
    ],
)
def test_modules_are_obeyed_in_their_order(modules: tuple[Any, ...], tmp_path: Path) -> None:
    directory = save("bert", tmp_path, *(modules or (MultiVectorMask(),)))
    ours, original = both(directory)
    compare(ours, original, bound=UNSCALED)
    compare(ours, original, normalize_embeddings=True)


def test_the_mask_of_queries_counts_the_tokens_that_fill_them_up(tmp_path: Path) -> None:
    mask = MultiVectorMask(skiplist_words=["[MASK]", "a"], skiplist_tasks=["query"])
    ours, original = both(save("bert", tmp_path, dense(), mask, query_expansion=FIXED))
    compare(ours, original, bound=UNSCALED)


@pytest.mark.parametrize("name", ["maxsim", "meanmaxsim"])
@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_scores_are_the_originals(name: str, family: str, tmp_path: Path) -> None:
    directory = save(family, tmp_path, query_expansion=FIXED)
    ours, original = both(directory, similarity_fn_name=name)
    queries, documents = HOSTILE[:40], HOSTILE[30:]
    mine = ours.encode_query(queries), ours.encode_document(documents)
    theirs = original.encode_query(queries), original.encode_document(documents)
    scores, expected = ours.similarity(*mine), original.similarity(*theirs).numpy()
    assert (scores.shape, scores.dtype) == (expected.shape, expected.dtype)
    note(f"MultiVectorEncoder.similarity, {name}", scores, expected)
    # a sum over 32 tokens, each within the bound of the vectors
    tolerance = 32 * BOUND if name == "maxsim" else BOUND
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)
    pairs = min(len(queries), len(documents))
    paired = ours.similarity_pairwise(mine[0][:pairs], mine[1][:pairs])
    expected = original.similarity_pairwise(theirs[0][:pairs], theirs[1][:pairs]).numpy()
    np.testing.assert_allclose(paired, expected, rtol=0, atol=tolerance)
    one, expected = ours.similarity(mine[0][0], mine[1]), original.similarity(theirs[0][0], theirs[1])
    np.testing.assert_allclose(one, expected, rtol=0, atol=tolerance)


def test_scores_of_padded_arrays_masks_and_nothing(tmp_path: Path) -> None:
    ours, original = both(save("bert", tmp_path))
    random = np.random.default_rng(0)
    queries, documents = random.normal(size=(3, 5, 8)), random.normal(size=(4, 6, 8))
    queries[1, 3:], documents[0, 2:], documents[2] = 0, 0, 0  # rows of zeros are padding
    queries, documents = queries.astype(np.float32), documents.astype(np.float32)
    masks = {"a_mask": random.integers(0, 2, (3, 5)), "b_mask": random.integers(0, 2, (4, 6))}
    masks["b_mask"][1] = 0
    ragged = [query[: index + 2] for index, query in enumerate(queries)]
    empty = [*documents[:2], documents[3][:0]]
    for options in ({}, {"length_normalize": True}, {"chunk_elements": 50}):
        for a, b, kept in (
            (queries, documents, {}),
            (queries, documents, masks),
            (ragged, empty, {}),
            (ragged, list(documents), {"b_mask": masks["b_mask"]}),
            (queries[0], documents[1], {"a_mask": masks["a_mask"][0]}),
        ):
            given = {name: torch.from_numpy(mask) for name, mask in kept.items()}
            expected = original.similarity(a, b, **given, **options).numpy()
            # sums that reach 50, and -1e9 for documents without tokens
            np.testing.assert_allclose(
                ours.similarity(a, b, **kept, **options), expected, rtol=1e-6, atol=2e-5
            )
    expected = original.similarity_pairwise(queries, documents[:3]).numpy()
    np.testing.assert_allclose(
        ours.similarity_pairwise(queries, documents[:3]), expected, rtol=1e-6, atol=2e-5
    )
    assert isinstance(ours.similarity(torch.from_numpy(queries), documents), torch.Tensor)
    assert util.maxsim([], documents).shape == tuple(original.similarity([], documents).shape)


def test_calls_are_the_originals(tmp_path: Path) -> None:
    prompts = {"query": "ask: ", "passage": "tell: ", "other": "x "}
    ours, original = both(save("distilbert", tmp_path, prompts=prompts, query_expansion=FIXED))
    for method, places, options in (
        ("encode", (), {"task": "query"}),
        ("encode", (), {"task": "document", "prompt_name": "other"}),
        ("encode_query", ("other", None, 2, False), {}),
        ("encode_document", (None, "given "), {}),
        ("encode", (None, None, 32, False, "token_embeddings", True, None, True), {}),
    ):
        for inputs in (HOSTILE[:5], tuple(HOSTILE[:3]), np.array(HOSTILE[3:6]), []):
            mine = getattr(ours, method)(inputs, *places, **options)
            theirs = getattr(original, method)(inputs, *places, **options)
            assert isinstance(mine, list)
            assert [vectors.shape for vectors in mine] == [tuple(vectors.shape) for vectors in theirs]
            for vectors, expected in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(vectors, expected, rtol=0, atol=BOUND)
        one, expected = getattr(ours, method)("a b", *places), getattr(original, method)("a b", *places)
        np.testing.assert_allclose(one, expected, rtol=0, atol=BOUND)
    assert isinstance(ours.encode("a", convert_to_numpy=False), torch.Tensor)
    assert ours.prompts.keys() == original.prompts.keys()
    assert ours.similarity_fn_name == original.similarity_fn_name == "maxsim"


@pytest.mark.parametrize("kind", ["BertTokenizer", "PreTrainedTokenizerFast"])
def test_texts_may_be_cut_on_the_left_and_have_tokens_of_their_own(kind: str, tmp_path: Path) -> None:
    directory = save("bert", tmp_path, query_expansion=FIXED, document_length=30)
    path = directory / "tokenizer_config.json"
    fields = {
        "truncation_side": "left",
        "tokenizer_class": kind,
        "extra_special_tokens": ["[Q]", "[unused0]"],
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    config = directory / "config.json"
    vocabulary = json.loads(config.read_text())["vocab_size"]
    tensors = load_file(directory / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    tensors[name] = np.concatenate([tensors[name], tensors[name][5:7]])  # a row for each new token
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": vocabulary + 2}))
    ours, original = both(directory)
    assert ours.tokenizer.truncation_side == "left"
    compare(ours, original)
    compare(ours, original, prompt="[unused0] ")


def test_what_minilm_saves_is_read_by_the_original(tmp_path: Path) -> None:
    directory = save("mpnet", tmp_path, query_expansion=FIXED)
    ours = MultiVectorEncoder(directory, similarity_fn_name="meanmaxsim")
    ours.max_seq_length = 20
    ours.save_pretrained(tmp_path / "ours")
    again = sentence_transformers.MultiVectorEncoder(str(tmp_path / "ours"), device="cpu")
    assert again.similarity_fn_name == "meanmaxsim"
    compare(ours, again)
    compare(MultiVectorEncoder(tmp_path / "ours"), again)


def pylate(family: str, directory: Path) -> Path:
    """A checkpoint in the form of PyLate 1: no mask, no Normalize, and settings at the top."""
    saved = save(family, directory, dense())
    entries = json.loads((saved / "modules.json").read_text())
    entries[1]["type"] = "pylate.models.Dense.Dense"
    (saved / "modules.json").write_text(json.dumps(entries))
    path = saved / "config_sentence_transformers.json"
    fields = json.loads(path.read_text()) | {"model_type": "ColBERT", "query_prefix": "[unused0] "}
    fields |= {"document_prefix": "[D] ", "query_length": 28, "document_length": 50, "prompts": {}}
    path.write_text(json.dumps({**fields, "attend_to_expansion_tokens": False}))
    return saved


def stanford(family: str, directory: Path) -> Path:
    """A checkpoint in the form of ColBERT's own code: the projection among the encoder's tensors."""
    save_encoder(family, directory / "plain", initializer_range=0.1)  # weights as large as trained ones
    path = directory / "plain" / "model.safetensors"
    weight = np.random.default_rng(0).normal(size=(16, WIDTH)).astype(np.float32)
    save_file({**load_file(path), "linear.weight": weight}, path, metadata={"format": "pt"})
    config = directory / "plain" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": ["HF_ColBERT"]}))
    fields = {"query_maxlen": 20, "doc_maxlen": 45, "mask_punctuation": True, "attend_to_mask_tokens": False}
    (directory / "plain" / "artifact.metadata").write_text(json.dumps(fields))
    return directory / "plain"


@pytest.mark.parametrize("older", [pylate, stanford])
def test_older_forms_are_read_once_the_original_saved_them(older: Any, tmp_path: Path) -> None:
    directory = older("bert", tmp_path)
    with pytest.raises(
        CheckpointError, match=r"open it with sentence_transformers\.MultiVectorEncoder, and sa"
    ):
        MultiVectorEncoder(directory)
    original = sentence_transformers.MultiVectorEncoder(str(directory), device="cpu")
    original.save_pretrained(str(tmp_path / "again"))
    compare(*both(tmp_path / "again"))
    compare(MultiVectorEncoder(tmp_path / "again"), original)


def test_other_modules_and_other_classes_refuse_by_name(tmp_path: Path) -> None:
    directory = save(
        "bert", tmp_path, dense(), MultiVectorMask(), Normalize(TOKENS), HierarchicalTokenPooling(2)
    )
    with pytest.raises(
        CheckpointError, match=r"HierarchicalTokenPooling.* are not supported: a MultiVectorEnc"
    ):
        MultiVectorEncoder(directory)
    with pytest.raises(
        CheckpointError, match=r"only 'SentenceTransformer' is: minilm\.MultiVectorEncoder reads"
    ):
        MiniLM(directory)
