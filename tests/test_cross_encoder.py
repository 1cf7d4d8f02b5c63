"""CrossEncoder against encoder.py in float64, without torch: token types, head, activation, order, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, CrossEncoder, TruncationWarning, encoder
from minilm.activations import sigmoid
from minilm.checkpoint.weights import load_parameters
from tests.checkpoints import MakeCheckpoint, write_cross_encoder, write_version_6

PAIRS = [("a b c", "d e f"), ("a", ""), ("", "b"), ("x y z", "a b c d e f g"), ("q", "r")]

# float32 against float64 on two layers: seen at 2e-7
BOUND = 2e-6


def truth(directory: Path, ours: CrossEncoder) -> np.ndarray:
    """Logits in float64, one pair at a time, from the ids and types that the tokenizer gives."""
    tensors = {name: t.astype(np.float64) for name, t in load_file(directory / "model.safetensors").items()}
    plain = directory / "plain.safetensors"
    body = {n[5:]: t for n, t in tensors.items() if n.startswith("bert.") and "pooler" not in n}
    save_file(body, plain)
    parameters = load_parameters(plain, ours.config, dtype=np.float64)
    ids, _, types = ours.tokenizer.pairs(PAIRS)
    rows = []
    for row, kinds in zip(ids, types or [], strict=True):
        mask = np.ones((1, len(row)), int)
        given = np.array([row]), mask, parameters, ours.config
        states = encoder.encode(*given, token_type_ids=np.array([kinds]))
        pooled = np.tanh(
            states[:, 0] @ tensors["bert.pooler.dense.weight"].T + tensors["bert.pooler.dense.bias"]
        )
        rows.append(pooled @ tensors["classifier.weight"].T + tensors["classifier.bias"])
    return np.concatenate(rows)


@pytest.mark.parametrize("labels", [1, 3])
def test_logits_are_those_of_the_textbook(make_checkpoint: MakeCheckpoint, labels: int) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=labels)
    ours = CrossEncoder(directory)
    expected = truth(directory, ours)
    logits = ours.predict(PAIRS, activation_fn=lambda x: x)
    np.testing.assert_allclose(logits, expected[:, 0] if labels == 1 else expected, rtol=0, atol=BOUND)
    scores = ours.predict(PAIRS)
    default = 1 / (1 + np.exp(-expected[:, 0])) if labels == 1 else expected
    np.testing.assert_allclose(scores, default, rtol=0, atol=BOUND)
    np.testing.assert_allclose(ours.predict(PAIRS[3]), default[3], rtol=0, atol=BOUND)
    if labels > 1:
        np.testing.assert_allclose(ours.predict(PAIRS, apply_softmax=True).sum(axis=1), 1, rtol=1e-6)


def test_a_ranking_is_in_falling_order_and_ties_in_the_order_given(make_checkpoint: MakeCheckpoint) -> None:
    ours = CrossEncoder(write_cross_encoder(make_checkpoint))
    documents = ["a b", "c", "a b", "d e f"]
    ranking = ours.rank("q", documents, return_documents=True)
    assert sorted(r["corpus_id"] for r in ranking) == [0, 1, 2, 3]
    scores = [r["score"] for r in ranking]
    assert scores == sorted(scores, reverse=True)
    order = [r["corpus_id"] for r in ranking]
    assert order.index(0) < order.index(2)
    assert all(r["text"] == documents[r["corpus_id"]] for r in ranking)
    assert [r["corpus_id"] for r in ours.rank("q", documents, top_k=2)] == order[:2]
    assert ours.rank("q", []) == []


def test_a_cut_pair_is_told(make_checkpoint: MakeCheckpoint) -> None:
    ours = CrossEncoder(write_cross_encoder(make_checkpoint), max_length=8)
    with pytest.warns(TruncationWarning, match="1 of 2 pairs were cut at 8 tokens"):
        ours.predict([("a b c d e f g", "h"), ("a", "b")])


def test_what_is_asked_wrongly(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=2)
    ours = CrossEncoder(directory)
    pair: Any
    for pair, shown in ((("a", "b", "c"), r"\('a', 'b', 'c'\)"), ("abc", "'abc'"), (("a",), r"\('a',\)")):
        with pytest.raises(TypeError, match=rf"inputs\[1\] must be a pair of str, not {shown}"):
            ours.predict([("a", "b"), pair, ("a", "b")])
    for missing, at in (
        (("a", None), r"\[1\]\[1\] is missing \(None\)"),
        (float("nan"), r"\[1\] is missing \(NaN\)"),
    ):
        with pytest.raises(TypeError, match=f"inputs{at}"):
            ours.predict([("a", "b"), missing])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="lone surrogate"):
        ours.predict([("a", "\ud800")])
    with pytest.raises(ValueError, match="this one has 2: use predict"):
        ours.rank("a", ["b"])
    with pytest.raises(ValueError, match="device='cuda' is not supported"):
        ours.predict([("a", "b")], device="cuda")
    with pytest.raises(ValueError, match=r"max_length must lie in 5 to 24 for this model, not 3"):
        CrossEncoder(directory, max_length=3)
    with pytest.raises(ValueError, match=r"returned an array of shape \(\) for logits of shape \(1, 2\)"):
        ours.predict([("a", "b")], activation_fn=lambda x: np.asarray(x.sum()))
    assert ours.predict([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id2label": {}}, "id2label names no labels"),
        ({"id2label": None, "num_labels": 0}, "num_labels must be a positive whole number, not 0"),
        (
            {"id2label": {"0": "a", "1": "b"}},
            r"classifier\.weight has shape \(1, 16\), config\.json says \(2, 16\)",
        ),
        ({"sbert_ce_default_activation_function": "torch.nn.SELU"}, "'torch.nn.SELU' is not supported"),
        ({"model_type": "modernbert"}, "model_type 'modernbert' is not supported"),
    ],
)
def test_other_checkpoints_are_refused(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        CrossEncoder(write_cross_encoder(make_checkpoint, **fields))


def test_sigmoid_never_overflows() -> None:
    x = np.array([-1e30, -80, 0, 80, 1e30], np.float32)
    np.testing.assert_allclose(sigmoid(x), [0, np.exp(-80.0), 0.5, 1, 1], rtol=1e-6)


def test_a_prompt_stands_before_the_first_text(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint)
    prompts = {"prompts": {"ask": "x y "}, "default_prompt_name": "ask"}
    ours = CrossEncoder(directory)
    expected = ours.predict([("x y a", "b")])
    assert expected != ours.predict([("a", "b")])
    np.testing.assert_array_equal(ours.predict([("a", "b")], prompt="x y "), expected)
    assert ours.rank("a", ["b"], prompt="x y ")[0]["score"] == expected
    write_version_6(directory, **prompts)
    ours = CrossEncoder(directory)
    assert (ours.prompts["ask"], ours.default_prompt_name) == ("x y ", "ask")
    np.testing.assert_array_equal(ours.predict([("a", "b")]), expected)
    np.testing.assert_array_equal(
        CrossEncoder(write_again(directory), prompts={"q": "x y "}).predict([("a", "b")], "q"), expected
    )


def write_again(directory: Path) -> Path:
    (directory / "config_sentence_transformers.json").unlink()
    return directory


def test_token_ids_give_the_logits(make_checkpoint: MakeCheckpoint) -> None:
    ours = CrossEncoder(write_cross_encoder(make_checkpoint))
    ids, _, types = ours.tokenizer.pairs(PAIRS)
    logits = ours.predict(PAIRS, activation_fn=lambda x: x)
    np.testing.assert_allclose(ours.predict_tokens(ids, types or [])[:, 0], logits, rtol=0, atol=BOUND)
    assert ours.predict_tokens([], []).shape == (0, 1)


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        ([[2, 40]], [[0, 0]], r"input_ids\[0\] has an id outside 0 to 39"),
        ([[2, 3], [2, -1]], [[0, 0], [0, 0]], r"input_ids\[1\] has an id outside 0 to 39"),
        ([[]], [[]], r"input_ids\[0\] has 0 ids; a text has 1 to 24"),
        ([[2] * 25], [[0] * 25], r"input_ids\[0\] has 25 ids"),
        ([[2, 3]], [[0]], "token_type_ids must have as many numbers as input_ids"),
        ([[2, 3]], [[0, 0], [0]], "token_type_ids must have as many numbers as input_ids"),
        ([[2, 3]], [[0, 2]], r"token_type_ids\[0\] has a type outside 0 to 1"),
    ],
)
def test_token_ids_that_the_model_does_not_have_are_refused(
    make_checkpoint: MakeCheckpoint, ids: list[list[int]], types: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CrossEncoder(write_cross_encoder(make_checkpoint)).predict_tokens(ids, types)


def test_a_model_without_token_types_ignores_them(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint)
    (directory / "tokenizer_config.json").write_text('{"model_input_names": ["input_ids", "attention_mask"]}')
    ours = CrossEncoder(directory)
    zeros, sevens = (ours.predict_tokens([[2, 5, 3]], [[kind] * 3]) for kind in (0, 7))
    np.testing.assert_array_equal(zeros, sevens)


def test_former_names_and_places_of_arguments(
    make_checkpoint: MakeCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    directory = write_cross_encoder(make_checkpoint)
    ours = CrossEncoder(directory)
    expected = ours.predict(PAIRS)
    for same in (
        CrossEncoder(directory, 1, None, None, "cpu"),
        CrossEncoder(model_name=directory, automodel_args={}, tokenizer_args={}, classifier_dropout=0.1),  # type: ignore[call-arg]
    ):
        np.testing.assert_array_equal(same.predict(PAIRS), expected)
    assert "`classifier_dropout` argument is deprecated and has no effect" in caplog.text
    np.testing.assert_array_equal(ours.predict(sentences=PAIRS, num_workers=2), expected)  # type: ignore[call-overload]
    np.testing.assert_array_equal(ours.predict(np.array(PAIRS[:1]))[0], expected[0])
    assert ours.predict(np.array(PAIRS[0])) == expected[0]
    assert CrossEncoder(directory, default_activation_function=np.negative).activation_fn is np.negative  # type: ignore[call-arg]
    ours.activation_fn = None  # the logits themselves
    np.testing.assert_allclose(1 / (1 + np.exp(-ours.predict(PAIRS))), expected, rtol=0, atol=2e-7)
    for options, error, message in (
        ({"num_labels": 2}, ValueError, "num_labels=2: the checkpoint's classifier has 1"),
        ({"config_kwargs": {"num_labels": 3}}, ValueError, "num_labels=3: the checkpoint's classifier has 1"),
        (
            {"activation_fn": "sigmoid"},
            TypeError,
            "must be a function of logits, not 'sigmoid'",
        ),
        ({"lenght": 3}, TypeError, "unexpected keyword argument 'lenght'"),
    ):
        with pytest.raises(error, match=message):
            CrossEncoder(directory, **options)
    with pytest.raises(TypeError, match="5 arguments by position, of at most 4"):
        CrossEncoder(directory, 1, None, None, "cpu", 3)


def test_a_length_that_is_set_has_an_effect(make_checkpoint: MakeCheckpoint) -> None:
    ours = CrossEncoder(write_cross_encoder(make_checkpoint))
    ours.max_length = 8
    assert ours.max_length == ours.max_seq_length == 8
    with pytest.warns(TruncationWarning, match="were cut at 8 tokens") as caught:
        ours.rank("a b c d", ["e f g h"])
    assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="has no attribute 'max_lenght'; did you mean 'max_length'"):
        ours.max_lenght = 3  # type: ignore[attr-defined]


def test_tables_are_refused_and_their_values_taken(make_checkpoint: MakeCheckpoint) -> None:
    ours = CrossEncoder(write_cross_encoder(make_checkpoint))
    frame = pd.DataFrame(PAIRS, columns=["query", "document"])
    np.testing.assert_array_equal(ours.predict(frame.values), ours.predict(PAIRS))
    with pytest.raises(TypeError, match=r"a table: .*df\[\['query', 'document'\]\].values"):
        ours.predict(frame)
    with pytest.raises(TypeError, match=r"documents is a DataFrame of pandas, a table: pass df\['text'\]"):
        ours.rank("a", frame[["document"]])
    with pytest.raises(TypeError, match=r"documents\[1\] is missing \(NaN\)"):
        ours.rank("a", ["b", float("nan")])  # type: ignore[list-item]
    assert ours.rank("a", ["b"], top_k=0) == []
