"""Calls of the public interface, each made on minilm and on the original: equal, or refused by name.

A row is a name, a call of ``p``, which stands for either package, and what is expected of minilm:
``EQUAL`` to what the original returns, ``REFUSED`` with an error that has the given words, or ``MORE``: the
original raises and minilm does what the words say. Needs the extra "golden".
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from minilm import CrossEncoder, MiniLM, util
from tests.checkpoints import TINY, write_checkpoint, write_cross_encoder

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    original = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    from sentence_transformers import util as original_util

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order: seen at 5e-7 for components of up to 3.
BOUND = 2e-6

EQUAL, REFUSED, MORE = "equal", "refused", "more"

ARROW = "string[pyarrow]"
FRAME = pd.DataFrame({"q": ["a", "b c"], "d": ["d", "e f"]})
TEXTS = ["a b", "c", "d e f g", ""]
PAIRS = [("a b", "c"), ["d", "e f"]]
VECTORS = np.random.default_rng(5).normal(size=(7, 12)).astype(np.float32)
OTHERS = np.random.default_rng(6).normal(size=(4, 12)).astype(np.float32)


class Package(NamedTuple):
    """One of the two packages, with a model of each kind from the same files."""

    model: Any
    cross: Any
    cross3: Any  # with three labels
    util: Any
    load: Callable[..., Any]
    load_cross: Callable[..., Any]


class Row(NamedTuple):
    """A call, and what minilm does."""

    name: str
    call: Callable[[Package], Any]
    outcome: str = EQUAL
    words: str = ""


def encode(name: str, *inputs: Any, outcome: str = EQUAL, words: str = "", **options: Any) -> Row:
    return Row(f"encode: {name}", lambda p: p.model.encode(*inputs, **options), outcome, words)


def predict(name: str, *inputs: Any, outcome: str = EQUAL, words: str = "", **options: Any) -> Row:
    return Row(f"predict: {name}", lambda p: p.cross.predict(*inputs, **options), outcome, words)


def load(name: str, outcome: str = EQUAL, words: str = "", **options: Any) -> Row:
    return Row(f"load: {name}", lambda p: p.load(**options).encode(TEXTS), outcome, words)


def of_util(name: str, *arguments: Any, outcome: str = EQUAL, words: str = "", **options: Any) -> Row:
    shown = ", ".join([*(type(a).__name__ for a in arguments), *map(str, options)])
    return Row(
        f"util.{name}({shown})", lambda p: getattr(p.util, name)(*arguments, **options), outcome, words
    )


def with_attribute(path: str, value: Any, then: Callable[[Package], Any]) -> Callable[[Package], Any]:
    """Set an attribute for a call, and set it back."""
    owner, _, name = path.partition(".")

    def call(p: Package) -> Any:
        model = getattr(p, owner)
        previous = getattr(model, name)
        setattr(model, name, value)
        try:
            return then(p)
        finally:
            setattr(model, name, previous)

    return call


def cut(p: Package) -> Any:
    with p.model.truncate_embeddings(5):
        return p.model.encode(TEXTS), p.model.get_embedding_dimension()


def quantized(precision: Any) -> Any:
    return original_util.quantize_embeddings(VECTORS, precision, calibration_embeddings=VECTORS)


def by_faiss(precision: str, options: dict[str, Any]) -> Callable[[Package], Any]:
    given = {"corpus_precision": precision, "top_k": 3, **options}
    return lambda p: p.util.quantization.semantic_search_faiss(OTHERS, quantized(precision), **given)[0]


def by_index(p: Package) -> Any:
    search = p.util.quantization.semantic_search_faiss
    *_, index = search(OTHERS, quantized("ubinary"), corpus_precision="ubinary", output_index=True)
    return search(OTHERS, corpus_index=index, corpus_precision="ubinary", top_k=9)[0]


FAISS: list[dict[str, Any]] = [
    {"calibration_embeddings": VECTORS},
    {"calibration_embeddings": VECTORS, "rescore": False},
    {"ranges": np.stack([VECTORS.min(0), VECTORS.max(0)]), "rescore_multiplier": 3},
    {"calibration_embeddings": VECTORS, "exact": False},
]
TENSORS: list[tuple[str, dict[str, Any]]] = [("arrays", {}), ("a tensor", {"convert_to_tensor": True})]

ROWS = [
    encode("a text", "a b"),
    encode("a list", TEXTS),
    encode("a tuple", tuple(TEXTS)),
    encode("an array", np.array(TEXTS)),
    encode("an array of objects", np.array(TEXTS, dtype=object)),
    encode("a pair as a list", [["a", "b c"]]),
    encode("a pair as a tuple", [("a", "b c")]),
    encode("two pairs", PAIRS),
    encode("an array of pairs", np.array([["a", "b"], ["c", "d"]])),
    encode("pairs among texts", [["a", "b"], "c", "d e f"]),
    encode("texts among pairs", ["c", ("a", "b"), "d e f"]),
    encode("a long pair", [("a " * 30, "b " * 9)]),
    encode("a pair with a prompt", [("a", "b")], prompt="c "),
    encode("a tuple of two is two texts", ("a", "b")),
    encode("sentences=", sentences=TEXTS),
    encode("inputs twice", TEXTS, sentences=TEXTS, outcome=REFUSED, words="inputs is given twice"),
    encode("task=query", TEXTS, task="query"),
    encode("task=None", TEXTS, task=None),
    encode("task of any name", TEXTS, task="classification"),
    encode("processing_kwargs=None", TEXTS, processing_kwargs=None),
    encode("processing_kwargs={}", TEXTS, processing_kwargs={}),
    encode("precision=None", TEXTS, precision=None),
    *(
        encode(f"precision={precision}, {kind}", TEXTS, precision=precision, **options)
        for precision in ("float32", "binary", "ubinary")
        for kind, options in TENSORS
    ),
    encode("a tensor", TEXTS, convert_to_tensor=True),
    encode("a tensor of one text", "a b", convert_to_tensor=True),
    encode("tensors", TEXTS, convert_to_numpy=False),
    encode("a tensor, not an array, of one text", "a b", convert_to_numpy=False),
    encode("a tensor in spite of convert_to_numpy", TEXTS, convert_to_numpy=True, convert_to_tensor=True),
    encode("tensors of token vectors", TEXTS, output_value="token_embeddings", convert_to_numpy=False),
    encode("token vectors of one text", "a b", output_value="token_embeddings", convert_to_tensor=True),
    encode("everything of one text", "a b", output_value=None, convert_to_tensor=True),
    encode("everything with a prompt", "a b", output_value=None, prompt="c d ", convert_to_tensor=True),
    encode("everything is not normalized", "a b", output_value=None, normalize_embeddings=True),
    encode("everything, cut", "a b", output_value=None, truncate_dim=5, convert_to_tensor=True),
    encode("everything of a pair", [("a", "b")], output_value=None, convert_to_tensor=True),
    encode("nothing, as token vectors", [], output_value="token_embeddings", precision="int8"),
    encode("nothing, as everything", [], output_value=None),
    encode("nothing, as tensors", [], convert_to_numpy=False),
    encode("normalized", TEXTS, normalize_embeddings=True),
    encode("normalized by 1", TEXTS, normalize_embeddings=1),
    encode("cut", TEXTS, truncate_dim=5),
    encode("cut and normalized", TEXTS, truncate_dim=5, normalize_embeddings=True),
    encode("cut beyond the width", TEXTS, truncate_dim=99),
    encode("device cpu", TEXTS, device="cpu"),
    encode("device cpu:0", TEXTS, device="cpu:0"),
    encode("device of torch", TEXTS, device=torch.device("cpu")),
    encode("chunk_size", TEXTS, chunk_size=2),
    encode("a prompt", TEXTS, prompt="c d "),
    encode("a prompt and a name", TEXTS, "query", "c d "),
    encode("an empty prompt", TEXTS, prompt=""),
    encode("arguments in their places", TEXTS, None, "c ", 2, False, "sentence_embedding", "float32"),
    encode("a Series", pd.Series(TEXTS), outcome=MORE),
    encode("a column of Arrow", pd.Series(TEXTS, dtype=ARROW), outcome=MORE),
    encode("a generator", (text for text in TEXTS), outcome=MORE),
    encode("no inputs", outcome=REFUSED, words="inputs must be a str or a sequence of str, not NoneType"),
    encode("a frame", FRAME, outcome=REFUSED, words="pass df['text']"),
    encode("a frame of one column", FRAME[["q"]], outcome=REFUSED, words="pass df['text']"),
    encode("a missing value", pd.Series(["a", None]), outcome=REFUSED, words="inputs[1] is missing (NaN)"),
    encode("None among texts", ["a", None], outcome=REFUSED, words="inputs[1] is missing (None)"),
    encode("NA among texts", ["a", pd.NA], outcome=REFUSED, words="inputs[1] is missing (<NA>)"),
    encode("numbers", [1, 2], outcome=REFUSED, words="inputs[0] is int, not str"),
    encode("a number", 3, outcome=REFUSED, words="not int"),
    encode("a dict", {"a": 1}, outcome=REFUSED, words="not dict"),
    encode("a list of one text", [["a"]], outcome=REFUSED, words="inputs[0] is list, not str"),
    encode("a list of three texts", [["a", "b", "c"]], outcome=REFUSED, words="inputs[0] is list"),
    encode("an unknown argument", "a", batchsize=3, outcome=REFUSED, words="did you mean 'batch_size'"),
    encode("processing_kwargs", "a", processing_kwargs={"text": {}}, outcome=REFUSED, words="max_seq_length"),
    encode("a precision that there is not", "a", precision="int4", outcome=REFUSED, words="not 'int4'"),
    encode("int8 of one text", "a", precision="int8", outcome=REFUSED, words="pass ranges"),
    encode(
        "another output", "a", output_value="attention_mask", outcome=REFUSED, words="output_value must be"
    ),
    encode("batch_size=0", "a", batch_size=0, outcome=REFUSED, words="batch_size must be a positive whole"),
    encode("truncate_dim=0", "a", truncate_dim=0, outcome=REFUSED, words="truncate_dim must be a positive"),
    encode("truncate_dim=-1", "a", truncate_dim=-1, outcome=REFUSED, words="truncate_dim must be a positive"),
    encode("chunk_size=0", "a", chunk_size=0, outcome=REFUSED, words="chunk_size must be a positive"),
    encode("device cuda", "a", device="cuda", outcome=REFUSED, words="minilm runs on the CPU"),
    encode("device CPU", "a", device="CPU", outcome=REFUSED, words="device='CPU' is not supported"),
    encode("device 0", "a", device=0, outcome=REFUSED, words="device=0 is not supported"),
    encode("a pool that is none", "a", pool={"input": 1}, outcome=REFUSED, words="start_multi_process_pool"),
    encode("a prompt that is no text", "a", prompt=3, outcome=REFUSED, words="prompt must be a str"),
    encode("an unknown prompt", "a", prompt_name="q", outcome=REFUSED, words="prompt_name must be one of"),
    Row("encode_query", lambda p: p.model.encode_query(TEXTS)),
    Row("encode_query by position", lambda p: p.model.encode_query(TEXTS, None, "c ", 2)),
    Row("encode_query of sentences=", lambda p: p.model.encode_query(sentences=TEXTS)),
    Row("encode_query as a tensor", lambda p: p.model.encode_query(TEXTS, convert_to_tensor=True)),
    Row("encode_document", lambda p: p.model.encode_document(TEXTS, truncate_dim=3)),
    Row("encode_document by position", lambda p: p.model.encode_document(TEXTS, "query")),
    Row("prompts are set", with_attribute("model.prompts", {"x": "c "}, lambda p: p.model.encode("a", "x"))),
    Row(
        "prompts are set, for queries",
        with_attribute("model.prompts", {"query": "c d "}, lambda p: p.model.encode_query(TEXTS)),
    ),
    Row(
        "prompts are set, for documents",
        with_attribute("model.prompts", {"passage": "c d "}, lambda p: p.model.encode_document(TEXTS)),
    ),
    Row(
        "prompts are set, and are all", with_attribute("model.prompts", {"x": "c"}, lambda p: p.model.prompts)
    ),
    Row(
        "a default prompt is set",
        with_attribute("model.default_prompt_name", "query", lambda p: p.model.encode(TEXTS)),
    ),
    Row("truncate_dim is set", with_attribute("model.truncate_dim", 4, lambda p: p.model.encode(TEXTS))),
    Row("truncate_embeddings", cut),
    Row(
        "max_seq_length is set",
        with_attribute("model.max_seq_length", 5, lambda p: p.model.encode(["a " * 9])),
    ),
    Row(
        "max_length of a cross-encoder is set",
        with_attribute("cross.max_length", 8, lambda p: p.cross.predict([("a " * 9, "b " * 9)])),
    ),
    Row("an unknown attribute", with_attribute("cross.num_labels", 3, lambda _: 0), REFUSED, "num_labels"),
    Row("devices", lambda p: (str(p.model.device), p.model.device.type, str(p.cross.device))),
    Row("to and eval", lambda p: p.model.to("cpu").eval().encode(TEXTS)),
    Row("to float32", lambda p: p.model.to(torch.float32).to("cpu", non_blocking=True).encode(TEXTS)),
    Row("to cuda", lambda p: p.model.to("cuda"), REFUSED, "minilm runs on the CPU"),
    Row("cpu and float", lambda p: p.model.cpu().float().encode(TEXTS)),
    Row("dimensions", lambda p: (p.model.get_embedding_dimension(), p.model.get_max_seq_length())),
    Row("the former name of the dimension", lambda p: p.model.get_sentence_embedding_dimension()),
    Row("get_model_kwargs", lambda p: p.model.get_model_kwargs()),
    Row("modalities", lambda p: (p.model.modalities, p.cross.modalities)),
    Row("supports", lambda p: [p.model.supports(m) for m in ("text", "image", ("image", "text"))]),
    Row("is_singular_input", lambda p: [p.model.is_singular_input(x) for x in ("a", ["a"], np.array(["a"]))]),
    Row(
        "is_singular_input of pairs",
        lambda p: [
            p.cross.is_singular_input(x)
            for x in (
                ["a", "b"],
                [["a", "b"]],
                [],
                np.array(["a", "b"]),
                np.array([["a", "b"]]),
                np.array([], str),
            )
        ],
    ),
    Row("set_pooling_include_prompt", lambda p: p.model.set_pooling_include_prompt(True)),
    Row("evaluate", lambda p: p.model.evaluate(lambda model, path: (model.encode("a"), path))),
    Row("tokenize", lambda p: dict(p.model.tokenize(TEXTS))["input_ids"]),
    Row("preprocess", lambda p: dict(p.model.preprocess(TEXTS))["attention_mask"]),
    Row("preprocess with a prompt", lambda p: dict(p.model.preprocess(TEXTS, prompt="c "))["input_ids"]),
    Row(
        "preprocess of pairs",
        lambda p: dict(p.model.preprocess([("a", "b"), ("c d", "e")]))["token_type_ids"],
    ),
    Row("preprocess of a cross-encoder", lambda p: dict(p.cross.preprocess([("a", "b")]))["input_ids"]),
    Row("tokenizer of a text", lambda p: p.model.tokenizer("a bc")["input_ids"]),
    Row("tokenizer of texts", lambda p: dict(p.model.tokenizer(TEXTS))),
    Row("tokenizer of a pair", lambda p: dict(p.model.tokenizer("a b", "c"))),
    Row("tokenizer of pairs", lambda p: dict(p.model.tokenizer(["a b"], ["c"]))),
    Row("tokenizer does not cut", lambda p: len(p.model.tokenizer("a " * 40).input_ids)),
    Row("tokenizer cuts", lambda p: p.model.tokenizer("a " * 40, truncation=True)["input_ids"]),
    Row(
        "tokenizer cuts at",
        lambda p: p.model.tokenizer("a " * 40, truncation=True, max_length=5)["input_ids"],
    ),
    *(
        Row(
            f"tokenizer with max_length and {options}",
            partial(lambda options, p: dict(p.model.tokenizer("a b c d", max_length=4, **options)), options),
        )
        for options in ({}, {"truncation": False}, {"padding": True}, {"padding": "max_length"})
    ),
    Row("tokenizer fills", lambda p: dict(p.model.tokenizer(TEXTS, padding=True, return_tensors="np"))),
    Row(
        "tokenizer gives tensors", lambda p: dict(p.model.tokenizer(TEXTS, padding=True, return_tensors="pt"))
    ),
    Row("tokenizer.encode", lambda p: p.model.tokenizer.encode("a bc")),
    Row("tokenizer.encode, bare", lambda p: p.model.tokenizer.encode("a bc", add_special_tokens=False)),
    Row("tokenizer.tokenize", lambda p: p.model.tokenizer.tokenize("a bc, Ü")),
    Row("tokenizer.decode", lambda p: p.model.tokenizer.decode([2, 5, 6, 3], skip_special_tokens=True)),
    Row("tokenizer.convert", lambda p: p.model.tokenizer.convert_ids_to_tokens([5, 3, 0])),
    Row("tokenizer.convert back", lambda p: p.model.tokenizer.convert_tokens_to_ids(["a", "[SEP]", "none"])),
    Row("tokenizer's size", lambda p: (len(p.model.tokenizer), p.model.tokenizer.vocab_size)),
    Row("tokenizer.model_max_length", lambda p: p.model.tokenizer.model_max_length),
    Row("similarity", lambda p: p.model.similarity(VECTORS, OTHERS)),
    Row("similarity of one", lambda p: p.model.similarity(VECTORS[0], OTHERS)),
    Row("similarity of tensors", lambda p: p.model.similarity(torch.tensor(VECTORS), torch.tensor(OTHERS))),
    Row(
        "similarity of lists of tensors",
        lambda p: p.model.similarity([*torch.tensor(VECTORS)], [*torch.tensor(OTHERS)]),
    ),
    Row("similarity of lists of arrays", lambda p: p.model.similarity([*VECTORS], [*OTHERS])),
    Row("similarity of Series", lambda p: p.model.similarity(pd.Series([*VECTORS]), OTHERS)),
    Row("similarity of float64", lambda p: p.model.similarity(VECTORS.astype(float), OTHERS.astype(float))),
    Row("similarity of float16", lambda p: p.model.similarity(VECTORS.astype(np.float16), OTHERS)),
    Row(
        "similarity of a generator", lambda p: p.model.similarity((v for v in VECTORS), OTHERS), MORE, "rows"
    ),
    Row(
        "similarity of texts in a frame",
        lambda p: p.model.similarity(FRAME, OTHERS),
        REFUSED,
        "pass one column",
    ),
    Row("similarity_pairwise", lambda p: p.model.similarity_pairwise(VECTORS[:4], OTHERS)),
    Row("similarity_pairwise of one with all", lambda p: p.model.similarity_pairwise(VECTORS[:1], OTHERS)),
    Row(
        "similarity_pairwise of two with four",
        lambda p: p.model.similarity_pairwise(VECTORS[:2], OTHERS),
        REFUSED,
        "2 embeddings and 4 are not pairs",
    ),
    *(
        Row(
            f"similarity_fn_name {name}",
            with_attribute("model.similarity_fn_name", name, lambda p: p.model.similarity(VECTORS, OTHERS)),
        )
        for name in ("dot", "euclidean", "manhattan", "cosine")
    ),
    Row(
        "similarity_fn_name maxsim",
        with_attribute("model.similarity_fn_name", "maxsim", lambda _: 0),
        REFUSED,
        "must be one of",
    ),
    Row(
        "SimilarityFunction",
        lambda p: p.load(similarity_fn_name=p.util.SimilarityFunction.DOT_PRODUCT).similarity_fn_name,
    ),
    Row(
        "SimilarityFunction's functions",
        lambda p: p.util.SimilarityFunction.to_similarity_fn("dot")(VECTORS, OTHERS),
    ),
    Row(
        "SimilarityFunction's pairs",
        lambda p: p.util.SimilarityFunction.to_similarity_pairwise_fn("euclidean")(VECTORS[:4], OTHERS),
    ),
    *(
        of_util(name, as_given(VECTORS), as_given(OTHERS))
        for name in ("cos_sim", "pytorch_cos_sim", "dot_score", "euclidean_sim", "manhattan_sim")
        for as_given in (np.asarray, torch.tensor, list)
    ),
    *(
        of_util(name, as_given(VECTORS[:4]), as_given(OTHERS))
        for name in ("cos_sim", "dot_score", "euclidean_sim", "manhattan_sim")
        for name in (f"pairwise_{name}", "pairwise_angle_sim")
        for as_given in (np.asarray, torch.tensor)
    ),
    of_util("pairwise_angle_sim", VECTORS[:4, :7], OTHERS[:, :7]),
    of_util("normalize_embeddings", torch.tensor(VECTORS)),
    of_util("truncate_embeddings", VECTORS, 3),
    of_util("truncate_embeddings", torch.tensor(VECTORS), 3),
    of_util("truncate_embeddings", VECTORS, None),
    of_util(
        "truncate_embeddings", VECTORS, 0, outcome=REFUSED, words="truncate_dim must be at least 1, not 0"
    ),
    *(
        of_util("quantize_embeddings", VECTORS, precision)
        for precision in ("int8", "uint8", "binary", "ubinary")
    ),
    of_util("quantize_embeddings", torch.tensor(VECTORS), "uint8"),
    of_util("quantize_embeddings", [*torch.tensor(VECTORS)], "int8"),
    of_util("quantize_embeddings", [VECTORS, OTHERS], "int8"),
    of_util("quantize_embeddings", [VECTORS, OTHERS[:0]], "binary"),
    of_util("quantize_embeddings", [OTHERS[:0]], "int8"),
    of_util("quantize_embeddings", [], "int8"),
    of_util("quantize_embeddings", OTHERS, "int8", ranges=np.stack([VECTORS.min(0), VECTORS.max(0)])),
    of_util("quantize_embeddings", OTHERS, "uint8", calibration_embeddings=VECTORS),
    of_util("semantic_search", torch.tensor(VECTORS), torch.tensor(OTHERS)),
    of_util("semantic_search", VECTORS, OTHERS, top_k=2),
    of_util("semantic_search", VECTORS, OTHERS, top_k=0),
    of_util("semantic_search", [*VECTORS], [*OTHERS], top_k=1),
    of_util("semantic_search", VECTORS, OTHERS, 2, 3, 2),
    of_util(
        "semantic_search",
        torch.tensor(VECTORS),
        torch.tensor(OTHERS),
        score_function=lambda a, b: torch.mm(a, b.T),
    ),
    of_util(
        "semantic_search", VECTORS, OTHERS, top_k=-1, outcome=REFUSED, words="top_k must be 0 or a positive"
    ),
    of_util("information_retrieval", torch.tensor(VECTORS), torch.tensor(OTHERS)),
    of_util("paraphrase_mining_embeddings", torch.tensor(VECTORS), top_k=3),
    of_util("paraphrase_mining_embeddings", torch.tensor(VECTORS), top_k=0),
    of_util("paraphrase_mining_embeddings", torch.tensor(VECTORS), max_pairs=0),
    Row("paraphrase_mining", lambda p: p.util.paraphrase_mining(p.model, TEXTS)),
    of_util("community_detection", torch.tensor(VECTORS), threshold=-0.2, min_community_size=2),
    of_util("community_detection", [], 0.5),
    *(
        Row(f"semantic_search_faiss: {precision}, {options}", by_faiss(precision, options))
        for precision in ("float32", "uint8", "ubinary")
        for options in FAISS
    ),
    Row("semantic_search_faiss: an index", by_index),
    Row(
        "semantic_search_faiss: int8",
        lambda p: p.util.quantization.semantic_search_faiss(OTHERS, VECTORS, corpus_precision="int8"),
        REFUSED,
        "corpus_precision must be one of float32, uint8, ubinary",
    ),
    Row(
        "semantic_search_faiss: no corpus",
        lambda p: p.util.quantization.semantic_search_faiss(OTHERS),
        REFUSED,
        "give corpus_embeddings or corpus_index",
    ),
    Row("util.similarity", lambda p: p.util.similarity.cos_sim(VECTORS, OTHERS)),
    Row("util.quantization", lambda p: p.util.quantization.quantize_embeddings(VECTORS, "binary")),
    predict("pairs", PAIRS),
    predict("a pair", ("a", "b")),
    predict("a pair as a list", ["a", "b"]),
    predict("an array of pairs", np.array([["a", "b"], ["c", "d"]])),
    predict("an array of one pair", np.array(["a", "b"])),
    predict("values of a frame", FRAME[["q", "d"]].values),
    predict("sentences=", sentences=PAIRS),
    predict("num_workers=0", PAIRS, num_workers=0),
    predict("num_workers=2", PAIRS, num_workers=2),
    predict("a tensor", PAIRS, convert_to_tensor=True),
    predict("tensors", PAIRS, convert_to_numpy=False),
    predict("a tensor of one pair", ("a", "b"), convert_to_tensor=True),
    predict("apply_softmax=None", PAIRS, apply_softmax=None),
    predict("torch's activation", PAIRS, activation_fn=torch.nn.Identity()),
    predict("torch's activation by its former name", PAIRS, activation_fct=torch.nn.Tanh()),
    predict("torch's function", PAIRS, activation_fn=torch.sigmoid),
    predict("a function that calls torch", PAIRS, activation_fn=lambda x: torch.sigmoid(x) * 2),
    predict("a function that calls a tensor", PAIRS, activation_fn=lambda x: x.sigmoid() * 2),
    predict("torch's function in part", PAIRS, activation_fn=partial(torch.softmax, dim=-1)),
    predict("inputs twice", PAIRS, sentences=PAIRS, outcome=REFUSED, words="inputs is given twice"),
    predict("an activation twice", PAIRS, activation_fn=np.tanh, activation_fct=torch.nn.Identity()),
    predict("a device", PAIRS, device="cpu:0"),
    predict("nothing", []),
    predict("nothing, as tensors", [], convert_to_numpy=False),
    predict("a prompt", PAIRS, prompt="c "),
    predict("a frame", FRAME, outcome=REFUSED, words=".values"),
    predict(
        "an unknown prompt", PAIRS, "query", outcome=REFUSED, words="one of (there are none), not 'query'"
    ),
    predict("a text", "ab", outcome=REFUSED, words="inputs must be a pair of str"),
    predict("three texts", ["a", "b", "c"], outcome=REFUSED, words="inputs[0] must be a pair of str"),
    predict("a missing text", [("a", None)], outcome=REFUSED, words="inputs[0][1] is missing (None)"),
    predict("an unknown argument", PAIRS, batchsize=3, outcome=REFUSED, words="did you mean 'batch_size'"),
    predict("zip", zip(["a"], ["b"], strict=True), outcome=MORE, words="one"),
    Row("predict: softmax of three labels", lambda p: p.cross3.predict(PAIRS, apply_softmax=True)),
    Row("predict: a tensor of three labels", lambda p: p.cross3.predict(PAIRS, convert_to_tensor=True)),
    Row("predict: tensors of three labels", lambda p: p.cross3.predict(PAIRS, convert_to_numpy=False)),
    Row("rank", lambda p: p.cross.rank("a", ["b", "c d", "e"])),
    Row("rank: documents", lambda p: p.cross.rank("a", ["b", "c d", "e"], return_documents=True)),
    Row("rank: a Series", lambda p: p.cross.rank("a", pd.Series(["b", "c d"]))),
    Row("rank: top_k=0", lambda p: p.cross.rank("a", ["b", "c"], top_k=0)),
    Row("rank: top_k=1", lambda p: p.cross.rank("a", ["b", "c"], 1)),
    Row("rank: nothing", lambda p: p.cross.rank("a", [])),
    Row(
        "rank: former arguments",
        lambda p: p.cross.rank("a", ["b", "c"], num_workers=0, convert_to_tensor=True, apply_softmax=True),
    ),
    Row(
        "rank: torch's activation", lambda p: p.cross.rank("a", ["b", "c"], activation_fn=torch.nn.Identity())
    ),
    Row("rank: top_k=-1", lambda p: p.cross.rank("a", ["b", "c"], top_k=-1), REFUSED, "top_k must be 0 or"),
    Row("rank: a frame", lambda p: p.cross.rank("a", FRAME[["d"]]), REFUSED, "documents is a DataFrame"),
    Row(
        "rank: a text as documents",
        lambda p: p.cross.rank("a", "bc"),
        REFUSED,
        "documents must be a sequence of str",
    ),
    Row(
        "rank: a missing document",
        lambda p: p.cross.rank("a", ["b", None]),
        REFUSED,
        "documents[1] is missing",
    ),
    Row(
        "rank: three labels",
        lambda p: p.cross3.rank("a", ["b"]),
        REFUSED,
        "rank needs a model with one label",
    ),
    Row("prompts of a cross-encoder", lambda p: p.cross.prompts),
    Row("former names of a cross-encoder", lambda p: (p.cross.num_labels, p.cross.max_length)),
    load("device", device="cpu"),
    load("device of torch", device=torch.device("cpu")),
    load("backend", backend="torch"),
    load("trust_remote_code", trust_remote_code=True),
    load("empty kwargs", model_kwargs={}, processor_kwargs={}, config_kwargs={}),
    load("tokenizer_kwargs", tokenizer_kwargs={}),
    load("attention", model_kwargs={"attn_implementation": "eager"}),
    load("dtype", model_kwargs={"torch_dtype": torch.float32}),
    load("dtype by name", model_kwargs={"dtype": "float32"}),
    load("device_map", MORE, model_kwargs={"device_map": "cpu"}),
    load("length", processor_kwargs={"model_max_length": 4}),
    load("dropout", config_kwargs={"hidden_dropout_prob": 0.3}),
    load("prompts", prompts={"x": "c "}, default_prompt_name="x"),
    load("a prompt of None", prompts={"x": None}, default_prompt_name="x"),
    load("truncate_dim", truncate_dim=4),
    load("modules=None", modules=None),
    load("local_files_only", local_files_only=True),
    load("half precision", REFUSED, "model_kwargs", model_kwargs={"torch_dtype": torch.float16}),
    load("backend onnx", REFUSED, "there is one backend", backend="onnx"),
    load("cuda", REFUSED, "minilm runs on the CPU", device="cuda"),
    load("no modules", REFUSED, "modules=[] is not supported", modules=[]),
    load("two tokens", REFUSED, "Both `token` and `use_auth_token`", token="a", use_auth_token="b"),
    load("an unknown argument", REFUSED, "unexpected keyword argument 'lenght'", lenght=3),
    load(
        "an unknown default prompt", REFUSED, "default_prompt_name must be one of", default_prompt_name="no"
    ),
    load(
        "a similarity that there is not", REFUSED, "similarity_fn_name must be", similarity_fn_name="maxsim"
    ),
    Row("load_cross: labels", lambda p: p.load_cross(num_labels=1).predict(PAIRS)),
    Row("load_cross: other labels", lambda p: p.load_cross(num_labels=2), REFUSED, "num_labels=2"),
    Row("load_cross: by position", lambda p: p.load_cross(1, 8).predict([("a " * 9, "b " * 9)])),
    Row(
        "load_cross: torch's activation",
        lambda p: p.load_cross(activation_fn=torch.nn.Identity()).predict(PAIRS),
    ),
    Row(
        "load_cross: former names",
        lambda p: p.load_cross(
            default_activation_function=torch.nn.Tanh(),
            automodel_args={},
            tokenizer_args={"model_max_length": 8},
            config_args={},
        ).predict([("a " * 9, "b " * 9)]),
    ),
    Row("load_cross: dropout", lambda p: p.load_cross(classifier_dropout=0.1).predict(PAIRS)),
    Row("load_cross: fp32", lambda p: p.load_cross(keep_in_fp32_modules=[]).predict(PAIRS)),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, Package]:
    root = tmp_path_factory.mktemp("calls")

    def make(name: str) -> Path:
        write_checkpoint(root / name, replace(TINY, vocab_size=57, normalize=False))
        special = {f"{token.lower()}_token": f"[{token}]" for token in ("PAD", "UNK", "CLS", "SEP", "MASK")}
        fields = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "model_max_length": 16,
            **special,
        }
        (root / name / "tokenizer_config.json").write_text(json.dumps(fields))
        return root / name

    def make_cross(name: str, labels: int) -> Path:
        directory = write_cross_encoder(
            lambda: make(name), labels=labels, architectures=["BertForSequenceClassification"]
        )
        for embedder_only in ("modules.json", "sentence_bert_config.json"):
            (directory / embedder_only).unlink()
        shutil.rmtree(directory / "1_Pooling")
        return directory

    embedder, cross, cross3 = str(make("embedder")), str(make_cross("cross", 1)), str(make_cross("cross3", 3))
    embedder_class, cross_class = original.SentenceTransformer, original.CrossEncoder

    def on_the_cpu(make_model: Callable[..., Any], path: str) -> Callable[..., Any]:
        return lambda *places, **options: make_model(path, *places, **{"device": "cpu", **options})

    ours = Package(
        MiniLM(embedder),
        CrossEncoder(cross),
        CrossEncoder(cross3),
        util,
        on_the_cpu(MiniLM, embedder),
        on_the_cpu(CrossEncoder, cross),
    )
    theirs = Package(
        embedder_class(embedder, device="cpu"),
        cross_class(cross, device="cpu"),
        cross_class(cross3, device="cpu"),
        original_util,
        on_the_cpu(embedder_class, embedder),
        on_the_cpu(cross_class, cross),
    )
    return ours, theirs


def assert_equal(mine: Any, theirs: Any, at: str = "") -> None:
    """The same numbers, shapes and types; an array of minilm may stand for a tensor of the original."""
    if isinstance(theirs, dict):
        assert {*mine} == {*theirs}, at
        for name, value in theirs.items():
            assert_equal(mine[name], value, f"{at}[{name!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert len(mine) == len(theirs), at
        for index, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            assert_equal(one, other, f"{at}[{index}]")
    elif isinstance(theirs, (torch.Tensor, np.ndarray, np.generic, float)) and not isinstance(theirs, str):
        one, other = np.asarray(mine), np.asarray(theirs)
        if other.size:  # of nothing, minilm keeps the width and the type
            assert (one.shape, one.dtype.kind) == (other.shape, other.dtype.kind), at
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=0, atol=BOUND, err_msg=at)
        else:
            assert one.size == 0, at
    else:
        assert mine == theirs, at


def test_there_are_rows_enough() -> None:
    assert len({row.name for row in ROWS}) > 200


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_call(packages: tuple[Package, Package], row: Row) -> None:
    ours, theirs = packages
    if row.outcome == REFUSED:
        with pytest.raises((TypeError, ValueError, AttributeError)) as error:
            row.call(ours)
        assert row.words in str(error.value)
        return
    mine = row.call(ours)
    if row.outcome == EQUAL:
        expected = row.call(theirs)
        assert_equal(mine, expected)
        for kind in (torch.Tensor, list):
            if isinstance(expected, kind) and row.name.startswith(("encode", "predict")):
                assert isinstance(mine, kind)
