"""Token ids of hostile texts against the original: transformers' tokenizer, from the same tokenizer.json."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from minilm import MiniLM
from tests.hostile import CASES, GIANTS, HostileTexts, giant
from tests.parity.texts import TEXTS

transformers = pytest.importorskip("transformers", reason="transformers is not installed; see '.[golden]'")

AT_ONCE = 250


@pytest.fixture(scope="module")
def original(model: MiniLM, tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("original")
    shutil.copy(model.checkpoint.directory / "tokenizer.json", directory)
    tokenizer = transformers.BertTokenizerFast.from_pretrained(directory)
    assert len(tokenizer) == 30522
    return tokenizer


def assert_ids_of_the_original(model: MiniLM, original: Any, texts: list[str]) -> None:
    expected = original(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    for text, ours, theirs in zip(texts, model.tokenizer.texts(texts).input_ids, expected, strict=True):
        assert ours == theirs, ascii(text)


def test_thousands_of_hostile_texts_have_the_originals_ids(model: MiniLM, original: Any) -> None:
    assert_ids_of_the_original(model, original, TEXTS)
    seen = 0
    for seed in range(-(-CASES // AT_ONCE)):
        texts = HostileTexts(1_000_000 + seed).texts(AT_ONCE)
        assert_ids_of_the_original(model, original, texts)
        seen += len(texts)
    assert seen >= CASES


@pytest.mark.parametrize("name", GIANTS)
def test_giants_have_the_originals_ids(model: MiniLM, original: Any, name: str) -> None:
    # not all of them: the original keeps all that it cuts off, gigabytes of it
    assert_ids_of_the_original(model, original, [giant(name)[:100_000]])
