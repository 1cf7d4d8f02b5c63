"""checkpoint/tokenizer_classes.py: which class builds a tokenizer, and what it makes of a vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from minilm import CheckpointError
from minilm.checkpoint.files import Fields
from minilm.checkpoint.tokenizer import open_tokenizer
from minilm.checkpoint.tokenizer_classes import TOKENIZER_CLASSES, tokenizer_class
from minilm.tokenizer import Tokenizer as OurTokenizer

BERT = TOKENIZER_CLASSES["BertTokenizer"]
ANGLED = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def opened(folder: Path, name: str, **settings: Any) -> OurTokenizer:
    fields = Fields.of(folder / "tokenizer_config.json", settings)
    path = folder / "tokenizer.json"
    return open_tokenizer(
        path, vocab_size=400, max_seq_length=64, settings=fields, kind=TOKENIZER_CLASSES[name]
    )


@pytest.mark.parametrize("name", ["BertTokenizer", "BertTokenizerFast", "ElectraTokenizer", None])
def test_the_class_may_be_named_in_either_file(tmp_path: Path, name: str | None) -> None:
    named, empty = Fields.of(tmp_path, {"tokenizer_class": name}), Fields.of(tmp_path, {})
    assert tokenizer_class(named, empty) is tokenizer_class(empty, named) is BERT


def test_another_class_is_refused_with_the_remedy(tmp_path: Path) -> None:
    named = Fields.of(tmp_path / "tokenizer_config.json", {"tokenizer_class": "CamembertTokenizer"})
    with pytest.raises(
        CheckpointError, match=r"tokenizer_class 'CamembertTokenizer' is not supported.*PreTrained"
    ):
        tokenizer_class(named, named)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("roberta", "RobertaTokenizer"),
        ("xlm-roberta", "XLMRobertaTokenizer"),
        ("mpnet", "MPNetTokenizer"),
        ("distilbert", "BertTokenizer"),
        ("bert", "BertTokenizer"),
    ],
)
def test_a_family_has_its_own_class_where_no_file_names_one(tmp_path: Path, family: str, name: str) -> None:
    nothing, bert = Fields.of(tmp_path, {}), Fields.of(tmp_path, {"model_type": family})
    assert tokenizer_class(nothing, bert) is TOKENIZER_CLASSES[name]


def test_robertas_tokenizer_merges_bytes_and_knows_every_text(tmp_path: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*ANGLED, *letters, "ab", "\u0120ab"])}
    model = models.BPE(vocabulary, [("a", "b"), ("\u0120", "ab")])
    Tokenizer(model).save(str(tmp_path / "tokenizer.json"))
    ids = vocabulary.__getitem__
    tokenizer = opened(tmp_path, "RobertaTokenizer")
    # a space is a part of the word after it, and the first word has none
    assert tokenizer.texts(["ab ab"]).input_ids == [[0, ids("ab"), ids("\u0120ab"), 2]]
    assert tokenizer.texts([""]).input_ids == [[0, 2]]
    # two bytes of UTF-8: C3 and A9
    assert tokenizer.texts(["\u00e9"]).input_ids == [[0, ids("\u00c3"), ids("\u00a9"), 2]]
    assert tokenizer.pairs([("ab", "a")]).input_ids == [[0, ids("ab"), 2, 2, ids("a"), 2]]
    assert tokenizer.pairs([("ab", "a")]).token_type_ids == [[0] * 6]
    spaced = opened(tmp_path, "RobertaTokenizer", add_prefix_space=True)
    assert spaced.texts(["ab ab"]).input_ids == [[0, ids("\u0120ab"), ids("\u0120ab"), 2]]


def test_mpnets_tokenizer_is_berts_between_s_and_s(tmp_path: Path) -> None:
    vocabulary = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "[UNK]", "<mask>", "a", "##b"])}
    Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    tokenizer = opened(tmp_path, "MPNetTokenizer")
    assert tokenizer.texts(["AB c"]).input_ids == [[0, 5, 6, 3, 2]]
    assert tokenizer.pairs([("a", "ab")]).input_ids == [[0, 5, 2, 2, 5, 6, 2]]
    assert not tokenizer.has_token_types
    assert tokenizer.pad_token_id == 1
    with pytest.raises(CheckpointError, match="has a WordPiece model, and its tokenizer_class needs BPE"):
        opened(tmp_path, "RobertaTokenizer")
