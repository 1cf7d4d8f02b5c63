"""checkpoint/tokenizer.py: a file that is no tokenizer, or not this model's, is refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from minilm import CheckpointError
from minilm.checkpoint.files import Fields
from minilm.checkpoint.tokenizer import open_tokenizer, read_backend, tokenizer_file
from minilm.checkpoint.tokenizer_classes import TOKENIZER_CLASSES
from tests.checkpoints import tiny_tokenizer


def test_ids_beyond_the_embedding_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tiny_tokenizer(40).save(str(path))
    open_tokenizer(path, vocab_size=40, max_seq_length=16)
    with pytest.raises(CheckpointError, match="token ids up to 39, but the model's vocabulary has 39 rows"):
        open_tokenizer(path, vocab_size=39, max_seq_length=16)


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0"}', "\x80"])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        open_tokenizer(path, vocab_size=40, max_seq_length=16)


BERT, PLAIN = TOKENIZER_CLASSES["BertTokenizer"], TOKENIZER_CLASSES["PreTrainedTokenizerFast"]
A, B = 5, 6  # ids of "a" and "b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_tokenizer(57).save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def ids(folder: Path, text: str, *, kind: Any = BERT, **settings: Any) -> list[int]:
    fields = Fields.of(folder / "tokenizer_config.json", settings)
    encoded: list[int] = read_backend(tokenizer_file(folder, kind), fields, kind).encode(text).ids
    return encoded


def test_bert_lowers_the_case_unless_its_settings_say_otherwise(folder: Path) -> None:
    cased = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cased.normalizer = normalizers.BertNormalizer(lowercase=False)
    cased.save(str(folder / "tokenizer.json"))
    assert ids(folder, "A") == [2, A, 3]
    assert ids(folder, "A", do_lower_case=False) == [2, 1, 3]
    assert ids(folder, "A", kind=PLAIN, pad_token="[PAD]") == [2, 1, 3]


def test_bert_takes_only_the_vocabulary_of_the_file(folder: Path) -> None:
    other = Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    other.post_processor = None
    other.save(str(folder / "tokenizer.json"))
    assert ids(folder, "a,b") == [2, A, 1, B, 3]


def test_a_vocabulary_alone_makes_berts_tokenizer(folder: Path) -> None:
    expected = ids(folder, "ab ? A")
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    (folder / "tokenizer.json").unlink()
    assert ids(folder, "ab ? A") == expected
    assert tokenizer_file(folder, PLAIN) == folder / "tokenizer.json"


def test_special_tokens_are_those_of_the_settings(folder: Path) -> None:
    assert ids(folder, "a ?", cls_token="[MASK]", sep_token="b", unk_token="c") == [4, A, 7, B]


def test_added_tokens_come_from_any_of_the_files(folder: Path) -> None:
    new = AddedToken("[NEW]", normalized=False).__getstate__()
    decoder = {"4": {"content": "[MASK]", "special": True}, "57": new}
    assert ids(folder, "[NEW] a", added_tokens_decoder=decoder) == [2, 57, A, 3]
    assert ids(folder, "[NEW] a", kind=PLAIN, pad_token="[PAD]", added_tokens_decoder=decoder) == [
        2,
        57,
        A,
        3,
    ]
    assert ids(folder, "[NEW] a", additional_special_tokens=["[NEW]"]) == [2, 57, A, 3]
    older: dict[str, Any] = {"added_tokens.json": {"xyz": 57}}
    assert ids(folder, "xyz a", **older) == [2, 57, A, 3]
    assert ids(folder, "xyz a", **older, **{"special_tokens_map.json": {"cls_token": "[MASK]"}}) == [
        4,
        57,
        A,
        3,
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding_side": "left"}, 'padding_side "left" is not supported'),
        ({"cls_token": {"content": "[CLS]"}}, "cls_token must be a string or an AddedToken"),
        ({"cls_token": 3}, "a special token must be a string or an AddedToken, not 3"),
        ({"added_tokens_decoder": {"5": "a"}}, "added_tokens_decoder must map ids to objects"),
        ({"extra_special_tokens": "a"}, "extra_special_tokens must be a list, not 'a'"),
        ({"do_lower_case": "no"}, "do_lower_case must be true or false, not 'no'"),
    ],
)
def test_settings_that_make_no_tokenizer_are_refused(
    folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        ids(folder, "a", **settings)


def test_a_tokenizer_that_cannot_pad_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="pad_token is missing"):
        ids(folder, "a", kind=PLAIN)


def test_xlm_robertas_tokenizer_splits_at_spaces(tmp_path: Path) -> None:
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("<mask>", 0.0)]
    pieces += [("\u2581", -2.0), ("a", -3.0), ("\u2581a", -2.5)]
    Tokenizer(models.Unigram(pieces, unk_id=3)).save(str(tmp_path / "tokenizer.json"))
    kind = TOKENIZER_CLASSES["XLMRobertaTokenizer"]
    assert ids(tmp_path, "a aa", kind=kind) == [0, 7, 7, 6, 2]
    with pytest.raises(CheckpointError, match="has a Unigram model, and its tokenizer_class needs WordPiece"):
        ids(tmp_path, "a")
    with pytest.raises(CheckpointError, match="unk_token 'a' must have the id 3"):
        ids(tmp_path, "a", kind=kind, unk_token="a")
