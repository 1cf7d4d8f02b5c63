"""model.py: what encode takes, what it gives, and what it refuses."""

from __future__ import annotations

import json
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import CheckpointNotFoundError, MiniLM, TruncationWarning, encoder
from minilm._arrays import Parameters
from minilm.fast.blas import blas_info
from minilm.tokenizer import pad
from tests.checkpoints import TINY, MakeCheckpoint
from tests.parity.texts import PLAIN, of_length

# Rounding of one text's numbers when others stand beside it: three units in the last place of 0.25, the size
# of the largest components. Measured here: 1.2e-7.
SAME = 3e-7

FLOAT32 = np.dtype(np.float32)


@pytest.fixture(scope="module")
def plain(model: MiniLM) -> np.ndarray:
    return model.encode(PLAIN)


def test_one_text_gives_one_vector_and_many_give_rows(model: MiniLM, plain: np.ndarray) -> None:
    single = model.encode(PLAIN[0])
    assert (single.shape, single.dtype) == ((384,), FLOAT32)
    assert (plain.shape, plain.dtype) == ((len(PLAIN), 384), FLOAT32)
    np.testing.assert_allclose(single, plain[0], rtol=0, atol=SAME)


@pytest.mark.parametrize(
    "wrap",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: pd.Series(texts, index=range(100, 100 + len(texts))),
        lambda texts: pd.Series(texts, dtype="string"),
        iter,
        lambda texts: (text for text in texts),
        lambda texts: dict.fromkeys(texts).keys().__iter__(),
    ],
    ids=["tuple", "array", "object array", "Series", "string Series", "iterator", "generator", "dict keys"],
)
def test_any_sequence_of_texts_will_do(
    model: MiniLM, plain: np.ndarray, wrap: Callable[[list[str]], Any]
) -> None:
    np.testing.assert_array_equal(model.encode(wrap(PLAIN)), plain)


@pytest.mark.parametrize("empty", [[], (), iter([]), np.array([], dtype=str), pd.Series([], dtype=object)])
def test_nothing_gives_no_rows_of_full_width(model: MiniLM, empty: Any) -> None:
    embeddings = model.encode(empty)
    assert (embeddings.shape, embeddings.dtype) == ((0, 384), FLOAT32)


def test_nothing_gives_no_token_embeddings(model: MiniLM) -> None:
    assert model.encode([], output_value="token_embeddings") == []


def test_the_empty_text_is_a_text(model: MiniLM) -> None:
    assert abs(np.linalg.norm(model.encode("")) - 1) < 1e-6


@given(order=st.permutations(range(len(PLAIN))), batch_size=st.integers(1, 40))
@settings(deadline=None, max_examples=15)  # a deadline would make the clock part of the test
def test_neither_order_nor_batch_size_matters(
    model: MiniLM, plain: np.ndarray, order: list[int], batch_size: int
) -> None:
    shuffled = model.encode([PLAIN[i] for i in order], batch_size=batch_size)
    np.testing.assert_allclose(shuffled, plain[order], rtol=0, atol=SAME)


@given(text=st.text(max_size=200))
@settings(deadline=None, max_examples=60)
def test_any_text_gives_a_finite_unit_vector(model: MiniLM, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        embedding = model.encode(text).astype(np.float64)
    # 384 float32 squares, each rounded once
    assert abs(np.linalg.norm(embedding) - 1) < 3e-7


def test_token_embeddings_are_the_last_hidden_states(model: MiniLM, float64_parameters: Parameters) -> None:
    given = [PLAIN[0], "", PLAIN[13]]
    tokens = model.encode(given, output_value="token_embeddings")
    for text, ours in zip(given, tokens, strict=True):
        ids, mask = pad(model.tokenizer.texts([text]).input_ids)
        truth = encoder.encode(ids, mask, float64_parameters, model.config)[0]
        assert (ours.shape, ours.dtype) == (truth.shape, FLOAT32)
        # unnormalized states reach 5, so float32's rounding is 25 times that of the embeddings
        np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-5)
    single = model.encode(given[0], output_value="token_embeddings")
    np.testing.assert_allclose(single, tokens[0], rtol=0, atol=1e-5)


def test_none_means_as_the_checkpoint_says(make_checkpoint: MakeCheckpoint) -> None:
    from dataclasses import replace

    for i, (pooling, is_normalized) in enumerate([("cls", False), ("max", True), ("mean", False)]):
        config = replace(TINY, pooling=(pooling,), normalize=is_normalized)  # type: ignore[arg-type]
        model = MiniLM(make_checkpoint(f"c{i}", config=config))
        expected = model.encode("a b c", pooling=pooling, normalize_embeddings=is_normalized)  # type: ignore[arg-type]
        np.testing.assert_array_equal(model.encode("a b c"), expected)
        length = np.linalg.norm(expected)
        assert (abs(length - 1) < 1e-6) == is_normalized


def test_a_cut_text_is_told_once_a_call_with_its_number(model: MiniLM) -> None:
    with pytest.warns(TruncationWarning) as caught:
        model.encode([of_length(257), "short", of_length(600), of_length(256)], batch_size=1)
    assert len(caught) == 1
    assert str(caught[0].message).startswith("2 of 4 texts were cut at 256 tokens")
    assert caught[0].filename == __file__  # it points at the caller


def test_the_beginning_is_what_counts_of_a_cut_text(model: MiniLM) -> None:
    with pytest.warns(TruncationWarning):
        cut = model.encode(of_length(600))
    np.testing.assert_allclose(cut, model.encode(of_length(256)), rtol=0, atol=SAME)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["ok", None], "inputs[1] is missing (None): leave it out, or put a text in its place"),
        (["ok", "ok", 3], "inputs[2] is int, not str"),
        ([float("nan")], "inputs[0] is missing (NaN): leave it out, or put a text in its place"),
        (["ok", b"bytes"], "inputs[1] is bytes, not str: decode it first"),
        ([["nested"]], "inputs[0] is list, not str"),
        (np.ones(2), "inputs[0] is float64, not str"),
        (b"bytes", "inputs must be a str or a sequence of str, not bytes: decode it first"),
        ({"a": "b"}, "inputs must be a str or a sequence of str, not dict"),
        (7, "inputs must be a str or a sequence of str, not int"),
    ],
)
def test_what_is_not_text_is_named(model: MiniLM, inputs: Any, message: str) -> None:
    for call in (model.encode, model.tokenize):
        with pytest.raises(TypeError) as error:
            call(inputs)
        assert str(error.value) == message


def test_a_lone_surrogate_is_named(model: MiniLM) -> None:
    with pytest.raises(ValueError, match=r"inputs\[1\] holds the lone surrogate '\\udc80' at position 4"):
        model.encode(["fine", "half\udc80"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive whole number, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a positive whole number, not 2.5"),
        ({"batch_size": True}, "batch_size must be a positive whole number, not True"),
        ({"pooling": "sum"}, "pooling must be one of cls, max, mean, .*, not 'sum'"),
        (
            {"output_value": "tokens"},
            "output_value must be 'sentence_embedding', 'token_embeddings' or None, not",
        ),
        ({"output_value": "token_embeddings", "pooling": "cls"}, "have no meaning for token_embeddings"),
        ({"output_value": "token_embeddings", "normalize_embeddings": True}, "have no meaning for token"),
        ({"precision": "int4"}, "precision must be one of float32, int8, uint8, binary, ubinary, not 'int4'"),
        ({"precision": "int8"}, "a single embedding does not give"),
        ({"precision": "int8", "output_value": None}, "precision has no meaning for output_value None"),
        ({"truncate_dim": 0}, "truncate_dim must be a positive whole number, not 0"),
        ({"prompt_name": "nope"}, "prompt_name must be one of query, document, not 'nope'"),
        ({"device": "cuda"}, "device='cuda' is not supported: minilm runs on the CPU"),
        ({"device": ["cpu", "cuda"]}, "device='cuda' is not supported: minilm runs on the CPU"),
        ({"pool": {}}, "make it by start_multi_process_pool"),
        ({"chunk_size": 0}, "chunk_size must be a positive whole number, not 0"),
    ],
)
def test_options_that_cannot_be_are_refused(model: MiniLM, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.encode(["text"], **options)


def test_similarity_takes_texts_or_embeddings(model: MiniLM, plain: np.ndarray) -> None:
    scores = model.similarity(plain[:2], plain[2:5])
    assert (scores.shape, scores.dtype) == ((2, 3), FLOAT32)
    # 384 float32 products and sums of numbers whose squares add up to 1
    np.testing.assert_allclose(scores, plain[:2].astype(float) @ plain[2:5].astype(float).T, atol=5e-7)
    np.testing.assert_allclose(model.similarity(PLAIN[:2], plain[2:5]), scores, rtol=0, atol=1e-6)
    assert model.similarity(PLAIN[0], PLAIN[1]).shape == (1, 1)


def test_tokenize_gives_what_bert_takes(model: MiniLM) -> None:
    features = model.tokenize(["hello world", "hello"])
    assert list(features) == ["input_ids", "token_type_ids", "attention_mask"]
    np.testing.assert_array_equal(features["input_ids"], [[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    np.testing.assert_array_equal(features["attention_mask"], [[1, 1, 1, 1], [1, 1, 1, 0]])
    np.testing.assert_array_equal(features["token_type_ids"], np.zeros((2, 4)))
    assert {array.dtype for array in features.values()} == {np.dtype(np.int64)}


def test_one_model_serves_many_threads(model: MiniLM, plain: np.ndarray) -> None:
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(model.encode(PLAIN))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_allclose(result, plain, rtol=0, atol=SAME)


def test_a_pickled_model_encodes_the_same(make_checkpoint: MakeCheckpoint) -> None:
    model = MiniLM(make_checkpoint(), max_seq_length=7)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.encode(["a b", "c"]), model.encode(["a b", "c"]))
    assert copy.max_seq_length == 7


def test_a_pickle_does_not_depend_on_former_calls(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    model = MiniLM(directory)
    before = pickle.dumps(model)
    model.encode(["a", ("b", "c")])
    model.tokenizer.backend_of_length(None)
    assert pickle.dumps(model) == before


def test_one_line_at_load_says_what_numpy_multiplies_with(
    make_checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="minilm"):
        MiniLM(make_checkpoint(), threads=3)
    (record,) = caplog.records
    assert f"BLAS: {blas_info()}; 3 cores" in record.getMessage()


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_must_be_a_positive_whole_number(make_checkpoint: MakeCheckpoint, threads: Any) -> None:
    with pytest.raises(ValueError, match="threads must be a positive whole number"):
        MiniLM(make_checkpoint(), threads=threads)


def test_a_missing_model_is_not_looked_for_on_the_network_when_forbidden() -> None:
    with pytest.raises(CheckpointNotFoundError, match="offline use was requested"):
        MiniLM.from_pretrained("no-such-model", local_files_only=True)


def test_importing_minilm_loads_nothing_heavy() -> None:
    import subprocess

    heavy = ["huggingface_hub", "tqdm", "filelock", "httpx", "httpx2", "torch", "pandas"]
    code = f"import sys, minilm; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_token_ids_give_the_embedding_of_their_text(model: MiniLM) -> None:
    [ids] = model.tokenizer.texts(["one text"]).input_ids
    assert (model.encode_tokens([ids])[0] == model.encode("one text")).all()


def test_pairs_are_one_sequence_each(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    everything = tiny.encode([("a", "b c"), "d"], output_value=None)
    assert [features["input_ids"].tolist() for features in everything] == [[2, 5, 3, 6, 7, 3], [2, 8, 3]]
    assert [features["token_type_ids"].tolist() for features in everything] == [[0, 0, 0, 1, 1, 1], [0, 0, 0]]
    both = tiny.encode([("a", "b c"), "d"])
    np.testing.assert_allclose(both[1], tiny.encode("d"), rtol=0, atol=2e-7)  # sums in another order
    np.testing.assert_array_equal(tiny.encode(np.array([["a", "b c"]]))[0], tiny.encode([["a", "b c"]])[0])
    np.testing.assert_array_equal(tiny.encode(("a", "b")), tiny.encode(["a", "b"]))  # a tuple is two texts
    ids = tiny.preprocess([("a", "b")], prompt="c ")["input_ids"]
    assert ids.tolist() == [[2, 7, 5, 3, 6, 3]]
    with pytest.raises(ValueError, match=r"inputs\[1\] holds the lone surrogate"):
        tiny.encode([("a", "b"), "\ud800"])


def test_a_cut_text_is_told_at_the_line_of_the_caller(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint(), max_seq_length=4)
    for call in (
        tiny.encode,
        tiny.encode_query,
        tiny.encode_document,
        lambda text: tiny.similarity(text, "a"),
    ):
        with pytest.warns(TruncationWarning) as caught:
            call("a b c d")
        assert caught[0].filename == __file__


def test_queries_take_arguments_by_position_and_former_names(
    make_checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    tiny = MiniLM(make_checkpoint(), prompts={"query": "q ", "x": "z "})
    np.testing.assert_array_equal(tiny.encode_query(["a"], "x", None, 8), tiny.encode(["z a"]))
    np.testing.assert_array_equal(tiny.encode_query(sentences=["a"]), tiny.encode(["q a"]))  # type: ignore[call-overload]
    assert "`sentences` argument was renamed" in caplog.text
    with pytest.raises(TypeError, match="several values for the argument 'inputs'"):
        tiny.encode_query("a", inputs="b")  # type: ignore[call-overload]
    caplog.clear()
    np.testing.assert_array_equal(tiny.encode("a", "x", "q "), tiny.encode("q a"))
    assert "Ignoring the `prompt_name`" in caplog.text


def test_a_prompt_of_none_leaves_the_checkpoints(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    saved = {"prompts": {"query": "q ", "x": "z "}}
    (directory / "config_sentence_transformers.json").write_text(json.dumps(saved))
    tiny = MiniLM(directory, prompts={"query": None, "x": "", "new": None})
    assert tiny.prompts == {"query": "q ", "document": "", "x": "", "new": ""}
    np.testing.assert_array_equal(tiny.encode_query(["a"]), tiny.encode(["q a"]))


def test_prompts_that_are_set_are_all_that_there_are(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    tiny.prompts = {"passage": "p ", "x": None}
    assert tiny.prompts == {"passage": "p ", "x": ""}
    np.testing.assert_array_equal(tiny.encode_document("a"), tiny.encode("p a"))
    np.testing.assert_array_equal(tiny.encode_query("a"), tiny.encode("a"))
    with pytest.raises(TypeError, match="prompts must map names to texts, not be None"):
        tiny.prompts = None  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"prompts\['x'\] must be a str, not int"):
        tiny.prompts = {"x": 3}  # type: ignore[dict-item]
    assert [*tiny.prompts] == ["passage", "x"]


def test_an_embedding_may_be_cut_for_a_while(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    with tiny.truncate_embeddings(3):
        assert tiny.encode("a").shape == (tiny.get_embedding_dimension(),) == (3,)
    assert tiny.encode("a").shape == (16,)


def test_a_pool_is_this_process(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    pool = tiny.start_multi_process_pool(["cpu", "cpu"])
    expected = tiny.encode(["a", "b"])
    np.testing.assert_array_equal(tiny.encode(["a", "b"], pool=pool, chunk_size=1), expected)
    np.testing.assert_array_equal(tiny.encode(["a", "b"], device=["cpu"] * 2), expected)
    np.testing.assert_array_equal(tiny.encode_multi_process(["a", "b"], pool), expected)
    tiny.stop_multi_process_pool(pool)


def test_attributes_that_would_have_no_effect_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    tiny = MiniLM(make_checkpoint())
    for name, message in (
        ("max_seq_len", "MiniLM has no attribute 'max_seq_len'; did you mean 'max_seq_length'"),
        ("config", "config of a MiniLM cannot be set: load another checkpoint"),
        ("tokenizer", "tokenizer of a MiniLM cannot be set"),
        ("device", "device of a MiniLM cannot be set"),
    ):
        with pytest.raises(AttributeError, match=message):
            setattr(tiny, name, 8)
    parts: list[tuple[Any, str, str]] = [
        (tiny.tokenizer, "model_max_lenght", "model_max_length"),
        (tiny.pipeline, "default_prompt", "default_prompt_name"),
        (tiny.pipeline.engine, "thread", "threads"),
    ]
    for part, name, near in parts:
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; did you mean '{near}'"):
            setattr(part, name, 8)
    with pytest.raises(AttributeError, match="MiniLM has no attribute 'half': everything is float32"):
        _ = tiny.half  # type: ignore[attr-defined]


def test_tensors_need_torch(make_checkpoint: MakeCheckpoint) -> None:
    if find_spec("torch"):
        pytest.skip("torch is installed; tests/parity/test_calls.py compares its tensors")
    tiny = MiniLM(make_checkpoint())
    for options in ({"convert_to_tensor": True}, {"convert_to_numpy": False}):
        with pytest.raises(ImportError, match="needs torch, which is not installed: pip install torch"):
            tiny.encode("a", **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("ids", [[[2.5, 5.0]], [["5"]], [[None]]])
def test_token_ids_that_are_no_whole_numbers_are_refused(make_checkpoint: MakeCheckpoint, ids: Any) -> None:
    with pytest.raises(ValueError, match=r"input_ids\[0\] has .*, which are no whole numbers"):
        MiniLM(make_checkpoint()).encode_tokens(ids)


def test_nothing_has_no_token_vectors_to_quantize(make_checkpoint: MakeCheckpoint) -> None:
    assert MiniLM(make_checkpoint()).encode([], output_value="token_embeddings", precision="int8") == []
