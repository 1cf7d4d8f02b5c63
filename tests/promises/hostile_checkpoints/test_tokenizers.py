"""tokenizer.json with ids beyond the vocabulary, parts that are missing, and templates that lose the text.

What the ``tokenizers`` library itself refuses is refused in one line; what it accepts and then reads another
word's row for, or breaks off at in Rust, is refused before a text comes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from minilm import CheckpointError, CrossEncoder, MiniLM, TruncationWarning
from minilm.checkpoint import tokenizer
from minilm.cli.main import main
from tests.checkpoints import TINY
from tests.promises.hostile_checkpoints.refusing import NOT_JSON, Refusal, change_json

Fields = dict[str, Any]
Change = Callable[[Fields], object]


@pytest.fixture
def directory(directory: Path) -> Path:
    """A checkpoint whose tokenizer.json is used as it is."""
    as_it_is = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(as_it_is))
    return directory


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_a_file_that_is_not_json_is_refused(directory: Path, refusal: Refusal, content: bytes) -> None:
    (directory / "tokenizer.json").write_bytes(content)
    reason = "git lfs pull" if content.startswith(b"version") else "cannot be read as a tokenizer"
    assert reason in refusal(directory, "tokenizer.json")


def test_no_truncated_file_is_loaded(directory: Path, refusal: Refusal) -> None:
    path = directory / "tokenizer.json"
    content = path.read_bytes().rstrip()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        assert "cannot be read as a tokenizer" in refusal(directory, "tokenizer.json")


def template(**pieces: object) -> Change:
    return lambda fields: fields["post_processor"].update(pieces)


def cls_ids(*ids: int) -> Change:
    return lambda fields: fields["post_processor"]["special_tokens"]["[CLS]"].update(
        ids=ids, tokens=["[CLS]"] * len(ids)
    )


def model(**changes: object) -> Change:
    return lambda fields: fields["model"].update(changes)


def part(**changes: object) -> Change:
    return lambda fields: fields.update(changes)


def word(text: str, token_id: object) -> Change:
    return lambda fields: fields["model"]["vocab"].update({text: token_id})


def added(text: str, token_id: int) -> Change:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return lambda fields: fields["added_tokens"].append({"id": token_id, "content": text, **flags})


def nested(depth: int) -> dict[str, object]:
    inner: dict[str, object] = {"type": "NFD"}
    for _ in range(depth):
        inner = {"type": "Sequence", "normalizers": [inner]}
    return inner


A, B = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}
CLS = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
BERT = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
ROWS = f"but the model's vocabulary has {TINY.vocab_size} rows"

REFUSED: dict[str, tuple[Change, str]] = {
    "a word one beyond the table": (word("zz", TINY.vocab_size), f"token ids up to 40, {ROWS}"),
    "a word far beyond it": (word("zz", 2**32 - 1), f"token ids up to 4294967295, {ROWS}"),
    "a word beyond 32 bits": (word("zz", 2**40), "cannot be read as a tokenizer"),
    "a negative id": (word("zz", -1), "cannot be read as a tokenizer"),
    "an id that is no number": (word("zz", "7"), "cannot be read as a tokenizer"),
    "an added token beyond the table": (added("[NEW]", 40), f"token ids up to 40, {ROWS}"),
    "a special token beyond the table": (cls_ids(9999), f"adds the token id 9999 to every text, {ROWS}"),
    "BERT's own processor beyond the table": (
        part(post_processor=BERT | {"cls": ["[CLS]", 77_777]}),
        f"adds the token id 77777 to every text, {ROWS}",
    ),
    "a sequence of processors beyond the table": (
        part(post_processor={"type": "Sequence", "processors": [BERT, BERT | {"sep": ["[SEP]", 40]}]}),
        f"adds the token id 40 to every text, {ROWS}",
    ),
    "more special tokens than a text may have": (cls_ids(*[2] * 20), "adds 21 tokens to every text"),
    "as many special tokens as a text may have": (cls_ids(*[2] * 15), "adds 16 tokens to every text"),
    "no special tokens": (template(single=[A]), "adds 0 tokens to every text"),
    "no post-processor": (part(post_processor=None), "has no post_processor"),
    "a template without the text": (template(single=[CLS]), "'single' takes the texts [], not ['A']"),
    "an empty template": (template(single=[]), "'single' takes the texts [], not ['A']"),
    "a template of the wrong text": (template(single=[CLS, B]), "'single' takes the texts ['B'], not ['A']"),
    "a template of both texts": (template(single=[CLS, A, B]), "takes the texts ['A', 'B'], not ['A']"),
    "a template that repeats the text": (template(single=[CLS, A, A]), "takes the texts ['A', 'A'], not"),
    "a pair of one text": (template(pair=[CLS, A]), "'pair' takes the texts ['A'], not ['A', 'B']"),
    "a special token that is none": (
        template(single=[{"SpecialToken": {"id": "[NO]", "type_id": 0}}, A]),
        "the template 'single' names '[NO]', which is no token",
    ),
    "a word for the unknown that is unknown": (model(unk_token="[NOPE]"), "Missing [UNK] token"),
    "an empty vocabulary": (model(vocab={}), "Missing [UNK] token"),
    "no model": (part(model=None), "cannot be read as a tokenizer"),
    "a model of no kind": (part(model={"type": "Python", "code": "exit()"}), "cannot be read as a tokenizer"),
    "a Unigram without the unknown": (
        part(model={"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}),
        "cannot be read as a tokenizer: Encountered an unknown token but `unk_id` is missing",
    ),
    "a Unigram that is empty": (
        part(model={"type": "Unigram", "unk_id": None, "vocab": []}),
        "cannot be read as a tokenizer: ",
    ),
    "an expression that is none": (
        part(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
        "cannot be read as a tokenizer",
    ),
    "a version to come": (part(version="9.0"), "cannot be read as a tokenizer"),
    "a message of a million letters": (part(version="9" * 1_000_000), "cannot be read as a tokenizer"),
    "a normalizer of no kind": (part(normalizer={"type": "x\ny"}), "cannot be read as a tokenizer"),
    "normalizers in normalizers": (
        part(normalizer=nested(100)),
        "cannot be read as a tokenizer",
    ),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_tokenizer_that_lies_is_refused(
    directory: Path, refusal: Refusal, change: Change, reason: str
) -> None:
    change_json(directory / "tokenizer.json", change)
    assert reason in refusal(directory, "tokenizer.json")


def test_a_file_at_which_the_library_breaks_off_in_rust_is_refused_by_name(
    directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = directory / "tokenizer.json"
    vocab = {"[UNK]": 0, "a": 1, "b": 2, "ab": 3}
    bpe = {"type": "BPE", "vocab": vocab, "merges": ["a b"], "continuing_subword_prefix": "####"}
    change_json(path, part(model=bpe))
    with pytest.raises(CheckpointError) as error:
        MiniLM(directory)
    assert str(error.value).startswith(f"{path} cannot be read as a tokenizer: ")
    assert main(["compare", "a", "b", "--model", str(directory)]) == 1
    # after what Rust says by itself
    assert capfd.readouterr().err.splitlines()[-1] == f"minilm: {error.value}"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_while_a_file_is_read_is_no_fault_of_the_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def interrupted(_: str) -> NoReturn:
        raise kind

    monkeypatch.setattr(tokenizer, "Backend", SimpleNamespace(from_file=interrupted))
    with pytest.raises(kind):
        MiniLM(directory)


def test_no_length_is_set_that_has_no_room_for_a_text(directory: Path) -> None:
    change_json(directory / "tokenizer.json", cls_ids(*[2] * 8))
    model = MiniLM(directory)  # 9 special tokens in 16
    path = directory / "tokenizer.json"
    message = f"max_seq_length must be more than the 9 tokens that {path} adds to every text, not "
    for length in (3, 5, 9):
        with pytest.raises(ValueError, match=re.escape(f"{message}{length}")):
            MiniLM(directory, max_seq_length=length)
        with pytest.raises(ValueError, match=re.escape(f"{message}{length}")):
            model.tokenizer.max_seq_length = length
    assert model.max_seq_length == 16
    model.max_seq_length = 10
    with pytest.warns(TruncationWarning):
        assert np.isfinite(model.encode("a " * 100)).all()


@pytest.mark.parametrize(("added", "kept"), [(22, 24), (23, 24), (30, 24), (30, 16)])
def test_a_pair_of_which_no_text_is_left_is_refused_at_load(classifier: Path, added: int, kept: int) -> None:
    pieces = [*[CLS] * added, A, B]
    change_json(classifier / "tokenizer.json", template(pair=pieces))
    change_json(classifier / "tokenizer_config.json", lambda fields: fields.update(model_max_length=kept))
    if added + 2 <= kept:
        with pytest.warns(TruncationWarning):
            assert np.isfinite(CrossEncoder(classifier).predict(("a " * 100, "b " * 100)))
        with pytest.raises(ValueError, match="max_length must lie in 24 to 24 for this model, not 23"):
            CrossEncoder(classifier, max_length=23)
        return
    with pytest.raises(CheckpointError) as error:
        CrossEncoder(classifier)
    assert str(error.value) == (
        f"{classifier / 'tokenizer.json'} adds {added} tokens to every pair, and must leave room for one of "
        f"each text among the {kept} that are kept of it"
    )


def test_the_tokenizer_of_a_larger_model_is_refused(directory: Path, refusal: Refusal) -> None:
    change_json(directory / "tokenizer.json", word("larger", 30_521))
    assert "has token ids up to 30521" in refusal(directory, "tokenizer.json")


@pytest.mark.parametrize(
    "change",
    [
        part(
            truncation={"direction": "Right", "max_length": 0, "strategy": "OnlySecond", "stride": 5},
            padding={
                "strategy": {"Fixed": 10},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 999,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
        ),
        template(single=[{"SpecialToken": {"id": "[CLS]", "type_id": 9}}, A]),
        word("zz", 3),
        model(max_input_chars_per_word=0),
        part(normalizer=None),
        part(pre_tokenizer=None),
    ],
    ids=[
        "truncation and padding",
        "types",
        "two words, one id",
        "no letters",
        "no normalizer",
        "one word",
    ],
)
def test_what_only_changes_the_words_is_run_with_finite_embeddings(directory: Path, change: Change) -> None:
    change_json(directory / "tokenizer.json", change)
    embeddings = MiniLM(directory).encode(["a b c", "", "x" * 1000, "\N{SNOWMAN}"])
    assert np.isfinite(embeddings).all()
