"""CrossEncoder beside sentence-transformers', on classifiers that transformers made with random weights."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, CrossEncoder, MiniLM
from tests.checkpoints import tiny_tokenizer
from tests.parity.differences import note

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order; logits are of the order of 1.
BOUND = 1e-6

PAIRS = [
    ("a b c", "d e f"),
    ("a", ""),
    ("", "b"),
    ("", ""),
    ("a b c d e f g h i j k l m", "n o"),  # cut: the longer one, from its end
    ("a b", "c d e f g h i j k l m n o p q r s"),
    ("a b c d e f g h i j k", "l m n o p q r s t u v w"),
    ("  a  ", "\tb\n"),
    *((letter, letter * 3) for letter in "abcdefghijklmnopqrstuvwxyz"),
]


def save(
    directory: Path, *, num_labels: int = 1, tokenizer_class: str | None = "BertTokenizer", **shape: Any
) -> None:
    torch.manual_seed(num_labels)
    config = transformers.BertConfig(
        vocab_size=57,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        num_labels=num_labels,
        initializer_range=0.1,
        **shape,
    )
    transformers.BertForSequenceClassification(config).save_pretrained(directory)
    names = ["pad_token", "unk_token", "cls_token", "sep_token"]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer(57),
        **dict(zip(names, ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], strict=True)),
        model_max_length=16,
    ).save_pretrained(directory)
    if tokenizer_class:
        # as the checkpoints on the Hub have it; it sees to the token types
        path = directory / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": tokenizer_class}))


def both(directory: Path, **options: Any) -> tuple[CrossEncoder, Any]:
    return CrossEncoder(directory, **options), sentence_transformers.CrossEncoder(
        str(directory), device="cpu", **options
    )


def assert_same(mine: Any, theirs: Any) -> None:
    theirs = np.asarray(theirs)
    assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
    note("CrossEncoder.predict", mine, theirs)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("num_labels", [1, 2, 5])
@pytest.mark.parametrize("tokenizer_class", ["BertTokenizer", "BertTokenizerFast", None])
def test_predict(tmp_path: Path, num_labels: int, tokenizer_class: str | None) -> None:
    save(tmp_path, num_labels=num_labels, tokenizer_class=tokenizer_class)
    ours, original = both(tmp_path)
    assert ours.num_labels == original.num_labels == num_labels
    assert ours.max_seq_length == original.max_seq_length == 16
    assert_same(ours.predict(PAIRS), original.predict(PAIRS))
    assert_same(ours.predict(PAIRS, batch_size=3), original.predict(PAIRS))
    assert_same(ours.predict(PAIRS[0]), original.predict(PAIRS[0]))
    assert_same(ours.predict([list(PAIRS[0])]), original.predict([list(PAIRS[0])]))
    assert_same(ours.predict(PAIRS, apply_softmax=True), original.predict(PAIRS, apply_softmax=True))
    logits = original.predict(PAIRS, activation_fn=torch.nn.Identity())
    assert_same(ours.predict(PAIRS, activation_fn=lambda x: x), logits)
    # in the pooled, classified and activated numbers nothing may hide that the pairs differ
    assert np.ptp(logits) > 0.01


def test_token_types_matter_where_the_tokenizer_gives_them(tmp_path: Path) -> None:
    save(tmp_path / "with")
    save(tmp_path / "without", tokenizer_class=None)
    scores = [CrossEncoder(tmp_path / name).predict(PAIRS) for name in ("with", "without")]
    assert np.abs(scores[0] - scores[1]).max() > 1e-4


def test_rank(tmp_path: Path) -> None:
    save(tmp_path)
    ours, original = both(tmp_path)
    documents = [b for _, b in PAIRS]
    tried: list[dict[str, Any]] = [{}, {"top_k": 3}, {"return_documents": True, "top_k": 1000}]
    for options in tried:
        mine, theirs = ours.rank("a b", documents, **options), original.rank("a b", documents, **options)
        expected = [r["score"] for r in theirs]
        np.testing.assert_allclose([r["score"] for r in mine], expected, rtol=0, atol=BOUND)
        note("CrossEncoder.rank", [r["score"] for r in mine], expected)
        assert [set(r) for r in mine] == [set(r) for r in theirs]
        assert all(r.get("text", documents[r["corpus_id"]]) == documents[r["corpus_id"]] for r in mine)


def test_prompts(tmp_path: Path) -> None:
    save(tmp_path)
    ours, original = both(tmp_path, prompts={"ask": "x y "}, default_prompt_name="ask")
    assert_same(ours.predict(PAIRS), original.predict(PAIRS))
    assert_same(ours.predict(PAIRS, prompt="q "), original.predict(PAIRS, prompt="q "))
    given = (PAIRS, "ask", None, 7, False)  # in the original's order
    assert_same(ours.predict(*given), original.predict(*given))
    mine, theirs = (model.rank("a", ["b", "c"], None, True, "ask") for model in (ours, original))
    assert [r["text"] for r in mine] == [r["text"] for r in theirs]


def test_a_function_of_torch_gets_tensors(tmp_path: Path) -> None:
    save(tmp_path)
    ours, original = both(tmp_path)
    for function in (torch.nn.Tanh(), torch.tanh, torch.nn.functional.gelu):
        assert_same(
            ours.predict(PAIRS, activation_fn=function), original.predict(PAIRS, activation_fn=function)
        )


@pytest.mark.parametrize("length", [7, 12, 40])
def test_length(tmp_path: Path, length: int) -> None:
    save(tmp_path)
    ours, original = both(tmp_path, max_length=length)
    assert_same(ours.predict(PAIRS), original.predict(PAIRS))


@pytest.mark.parametrize("name", ["Sigmoid", "Identity", "Tanh"])
def test_the_checkpoint_names_its_activation(tmp_path: Path, name: str) -> None:
    save(tmp_path / "bert")
    function = getattr(torch.nn, name)()
    made = sentence_transformers.CrossEncoder(str(tmp_path / "bert"), device="cpu", activation_fn=function)
    made.save_pretrained(str(tmp_path / "saved"))
    ours, original = both(tmp_path / "saved")
    assert_same(ours.predict(PAIRS), original.predict(PAIRS))
    # and as older checkpoints have it
    path = tmp_path / "bert" / "config.json"
    old = {"sbert_ce_default_activation_function": f"torch.nn.modules.activation.{name}"}
    path.write_text(json.dumps({**json.loads(path.read_text()), **old}))
    assert_same(CrossEncoder(tmp_path / "bert").predict(PAIRS), original.predict(PAIRS))


def test_what_is_no_cross_encoder_is_refused_and_a_cross_encoder_is_an_encoder(
    tmp_path: Path, model: MiniLM
) -> None:
    with pytest.raises(CheckpointError, match=r"missing: classifier\.weight"):
        CrossEncoder(model.checkpoint.directory)
    # as in the original, a classifier is left aside
    save(tmp_path)
    original = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_allclose(MiniLM(tmp_path).encode("a b"), original.encode("a b"), rtol=0, atol=BOUND)
