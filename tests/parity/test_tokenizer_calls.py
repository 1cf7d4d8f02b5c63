"""Calls of the tokenizer of each class: the ids, the padding and the fields of the original.

Needs the extra "golden".
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.parity.checkpoint_variants import Change, both, old_vocabulary, plain, tok, write_base, xlm_roberta

pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

CHANGES: dict[str, Change] = {
    "BertTokenizer": both(),
    "DistilBertTokenizer": tok(tokenizer_class="DistilBertTokenizer"),
    "PreTrainedTokenizerFast": plain(),
    "XLMRobertaTokenizer": xlm_roberta,
    "without token types": tok(model_input_names=["input_ids", "attention_mask"]),
    "another pad_token": tok(pad_token="a"),
    "another unk_token": tok(unk_token="b"),
    "vocab.txt": old_vocabulary,
}


def as_lists(fields: Any) -> dict[str, Any]:
    return {name: value if type(value) in (str, list) else value.tolist() for name, value in fields.items()}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_calls_of_a_tokenizer(tmp_path: Path, change: Change) -> None:
    directory = tmp_path / "checkpoint"
    write_base(directory)
    change(directory)
    ours, theirs = MiniLM(directory), sentence_transformers.SentenceTransformer(str(directory), device="cpu")
    texts = ["a b", "hello world a b c d"]
    mine, original = ours.tokenizer, theirs.tokenizer
    assert dict(mine("a b")) == dict(original("a b"))
    assert dict(mine(texts, padding=True)) == dict(original(texts, padding=True))
    assert (mine.pad_token_id, mine.unk_token_id) == (original.pad_token_id, original.unk_token_id)
    words = ["a", "no such word"]
    assert mine.convert_tokens_to_ids(words) == original.convert_tokens_to_ids(words)
    assert as_lists(ours.preprocess(texts)) | {"modality": "text"} == as_lists(theirs.preprocess(texts))
    assert {*ours.encode("a b", output_value=None)} == {*theirs.encode("a b", output_value=None)}
