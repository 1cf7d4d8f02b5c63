"""minilm/integrations/keybert.py in the real package: the keywords that sentence-transformers gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

NOTES = [
    "Reset your password here if you cannot log in to your account.",
    "The comet passed the sun last night, and a telescope on the Moon took a picture of its long tail.",
    "Simmer the onions in butter until they are soft, then add the flour and stir for two minutes.",
]

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keyphrase_ngram_range": (1, 2), "use_mmr": True, "diversity": 0.6},
        {"keyphrase_ngram_range": (1, 2), "use_maxsum": True, "nr_candidates": 8},
        {"seed_keywords": ["astronomy"]},
    ],
    ids=lambda options: "-".join(options) or "defaults",
)
def test_keywords_are_those_of_sentence_transformers(original: Any, options: dict[str, Any]) -> None:
    keybert = pytest.importorskip("keybert", reason="keybert is not installed")
    from minilm.integrations.keybert import KeyBERTBackend

    options = {"stop_words": "english", "top_n": 4, **options}
    ours = keybert.KeyBERT(KeyBERTBackend()).extract_keywords(NOTES, **options)
    theirs = keybert.KeyBERT(original).extract_keywords(NOTES, **options)
    for mine, expected in zip(ours, theirs, strict=True):
        assert [phrase for phrase, _ in mine] == [phrase for phrase, _ in expected]
        # rounded to four digits, which two equal numbers may do differently
        np.testing.assert_allclose([s for _, s in mine], [s for _, s in expected], rtol=0, atol=1.01e-4)


def test_a_backend_embeds_with_its_options(model: MiniLM) -> None:
    pytest.importorskip("keybert", reason="keybert is not installed")
    from keybert.backend import BaseEmbedder

    from minilm.integrations.keybert import KeyBERTBackend

    ours = KeyBERTBackend(model, truncate_dim=8)
    assert isinstance(ours, BaseEmbedder)
    assert ours.embedding_model is model
    close(ours.embed(TEXTS), model.encode(TEXTS)[:, :8])
    with pytest.raises(TypeError, match="unexpected keyword argument 'batchsize'; did you mean 'batch_size'"):
        KeyBERTBackend(model, batchsize=8).embed([QUERY])


def test_keybert_refuses_a_bare_model(model: MiniLM, loaded: list[object]) -> None:
    """In the place of an object that it does not know, it would load a multilingual model."""
    keybert = pytest.importorskip("keybert", reason="keybert is not installed")
    with pytest.raises((ValueError, ModuleNotFoundError), match=r"(?i)sentence_?transformers"):
        keybert.KeyBERT(model)
    assert loaded == []


def test_without_minilms_word_for_it_another_model_is_loaded(loaded: list[object]) -> None:
    """What the test above guards against is still so in the newest version."""
    keybert = pytest.importorskip("keybert", reason="keybert is not installed")
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    keybert.KeyBERT(object())
    assert loaded == [("paraphrase-multilingual-MiniLM-L12-v2",)]
