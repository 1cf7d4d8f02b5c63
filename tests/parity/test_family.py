"""Checkpoints of the BERT family, made and saved by the original with random weights, and read by minilm.

Their real weights cannot be had everywhere; their layouts can. Needs the extra "golden".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from minilm import CheckpointError, MiniLM
from tests.checkpoints import tiny_tokenizer
from tests.parity.differences import note

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order: seen at 2e-7 times the largest component.
BOUND = 1e-6

TEXTS = ["a b c", "d", "", "abc def ghi", "z y x w v u t s r q p o n m l k j", "A B ab", "ü ? é", "q w e"]
SHAPE = {
    "vocab_size": 57,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def unigram_tokenizer() -> Tokenizer:
    """A SentencePiece-like tokenizer, as multilingual MiniLM has it: <s> $A </s>, and a piece for a space."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special] + [("▁", -2.0)]
    pieces += [(letter, -3.0 - i / 10) for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")]
    pieces += [(f"▁{letter}", -2.5 - i / 10) for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def save_bert(directory: Path, *, tokenizer: Tokenizer | None = None, **shape: Any) -> None:
    """A plain BERT directory, as transformers saves it, its weights large enough to make layers differ."""
    torch.manual_seed(len(shape) + sum(map(len, map(str, shape.values()))))
    config = transformers.BertConfig(**{"initializer_range": 0.2, **SHAPE, **shape})
    transformers.BertModel(config).save_pretrained(directory)
    is_unigram = tokenizer is not None
    names = ["<pad>", "<unk>", "<s>", "</s>"] if is_unigram else ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer or tiny_tokenizer(SHAPE["vocab_size"]),
        **dict(zip(["pad_token", "unk_token", "cls_token", "sep_token"], names, strict=True)),
    ).save_pretrained(directory)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., tuple[MiniLM, Any]]:
    """The same checkpoint, in minilm and in the original."""

    def both(
        after: Callable[[int], list[Any]],
        *,
        prompts: dict[str, str] | None = None,
        do_lower_case: bool = False,
        **shape: Any,
    ) -> tuple[MiniLM, Any]:
        save_bert(tmp_path / "bert", **shape)
        transformer = Transformer(str(tmp_path / "bert"), max_seq_length=16, do_lower_case=do_lower_case)
        modules = [transformer, *after(transformer.get_embedding_dimension())]
        made = sentence_transformers.SentenceTransformer(modules=modules, device="cpu", prompts=prompts)
        made.save_pretrained(str(tmp_path / "saved"))
        original = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu")
        return MiniLM(tmp_path / "saved"), original

    return both


def assert_same(ours: MiniLM, original: Any, texts: list[str] = TEXTS) -> None:
    mine, theirs = ours.encode(texts), original.encode(texts)
    assert mine.shape == theirs.shape
    note("MiniLM.encode, random checkpoints", mine, theirs)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND * max(1, np.abs(theirs).max()))
    for text, features in zip(texts, original.encode(texts, output_value=None), strict=True):
        ids = np.asarray(features["input_ids"])[np.asarray(features["attention_mask"]) == 1]
        assert ours.tokenizer.texts([text]).input_ids == [ids.tolist()]
    assert ours.get_embedding_dimension() == original.get_embedding_dimension()
    assert ours.max_seq_length == original.max_seq_length
    assert ours.prompts == original.prompts


MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]


@pytest.mark.parametrize("modes", [*MODES, ("mean", "max"), ("lasttoken", "cls", "weightedmean")])
@pytest.mark.parametrize("normalized", [False, True])
def test_poolings(make: Any, modes: str | tuple[str, ...], normalized: bool) -> None:
    ours, original = make(
        lambda width: [Pooling(width, pooling_mode=modes), *([Normalize()] if normalized else [])]
    )
    assert_same(ours, original)
    # the explanation is of the same score
    a, b = original.encode(TEXTS[:2]).astype(np.float64)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    explained = ours.explain(*TEXTS[:2])
    assert abs(explained.score - cosine) < BOUND
    assert abs(explained.contributions.sum() - cosine) < BOUND


@pytest.mark.parametrize(
    "activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "relu"]
)
def test_activations(make: Any, activation: str) -> None:
    assert_same(*make(lambda width: [Pooling(width), Normalize()], hidden_act=activation))


@pytest.mark.parametrize(
    "shape",
    [
        {"hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 100},  # heads 16 wide
        {"hidden_size": 64, "num_attention_heads": 1, "num_hidden_layers": 1},
        # so many layers of weights as large as the others' would make much of a rounding error
        {
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "intermediate_size": 500,
            "initializer_range": 0.1,
        },
        {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "max_position_embeddings": 16},
        {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},  # BERT tiny
    ],
)
def test_shapes(make: Any, shape: dict[str, Any]) -> None:
    assert_same(*make(lambda width: [Pooling(width, pooling_mode="cls"), Normalize()], **shape))


@pytest.mark.parametrize(
    "activation", [torch.nn.Tanh(), torch.nn.Identity(), torch.nn.ReLU(), torch.nn.GELU()]
)
@pytest.mark.parametrize("bias", [True, False])
def test_dense(make: Any, activation: Any, bias: bool) -> None:
    ours, original = make(
        lambda width: [
            Pooling(width, pooling_mode=("mean", "max")),
            Dense(2 * width, 24, bias=bias, activation_function=activation),
            Dense(24, 10, activation_function=activation),
            Normalize(),
        ]
    )
    assert_same(ours, original)
    assert ours.get_embedding_dimension() == 10
    with pytest.raises(ValueError, match="has a Dense module after pooling"):
        ours.explain("a", "b")
    with pytest.raises(ValueError, match="pooling cannot be chosen"):
        ours.encode("a", pooling="cls")


def test_prompts(make: Any) -> None:
    prompts = {"query": "q q ", "passage": "p "}
    ours, original = make(lambda width: [Pooling(width)], prompts=prompts)
    assert_same(ours, original)
    for method in ("encode_query", "encode_document"):
        mine, theirs = getattr(ours, method)(TEXTS), getattr(original, method)(TEXTS)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND * np.abs(theirs).max())


def test_unigram_tokenizers(make: Any) -> None:
    assert_same(*make(lambda width: [Pooling(width)], tokenizer=unigram_tokenizer()))


@pytest.mark.parametrize("do_lower_case", [True, False])
def test_lower_case_besides_the_tokenizer(make: Any, do_lower_case: bool) -> None:
    ours, original = make(
        lambda width: [Pooling(width)], tokenizer=unigram_tokenizer(), do_lower_case=do_lower_case
    )
    assert_same(ours, original, ["ABC Def", "abc def"])
    assert (ours.tokenizer.texts(["AB"]) == ours.tokenizer.texts(["ab"])) == do_lower_case


def test_a_plain_bert_directory(tmp_path: Path) -> None:
    save_bert(tmp_path)
    assert_same(MiniLM(tmp_path), sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu"))


@pytest.mark.parametrize(
    ("configuration", "model"),
    [
        ("ModernBertConfig", "ModernBertModel"),  # rotary positions
        ("NomicBertConfig", "NomicBertModel"),
        ("GPT2Config", "GPT2Model"),  # a decoder
        ("AlbertConfig", "AlbertModel"),
        ("CamembertConfig", "CamembertModel"),
        ("ElectraConfig", "ElectraModel"),
    ],
)
def test_other_architectures_are_refused_by_name(tmp_path: Path, configuration: str, model: str) -> None:
    config = getattr(transformers, configuration)(
        vocab_size=57, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, pad_token_id=0
    )
    getattr(transformers, model)(config).save_pretrained(tmp_path)
    tiny_tokenizer(57).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match=rf"model_type '{config.model_type}' is not supported"):
        MiniLM(tmp_path)
