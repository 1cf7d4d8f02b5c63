"""minilm/server/cross_encoding.py: what a cross-encoder answers from behind its queue."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.cross_encoding import CrossEncoding, TextOrPair
from minilm.server.responses import RequestError
from minilm.server.service import Service
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

# float32 and two layers; another pack may round in another order
SCORE = 1e-6


def test_a_ranking_is_that_of_the_cross_encoder(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    behind = CrossEncoding(reranker, Service(model, ServerSettings()))
    texts = ["a b c", "d e", "", "d e"]
    ranking = asyncio.run(behind.rank("h i", texts))
    expected = reranker.rank("h i", texts)
    assert ranking.indices == [ranked["corpus_id"] for ranked in expected]
    np.testing.assert_allclose(ranking.scores, [r["score"] for r in expected], rtol=0, atol=SCORE)
    assert ranking.tokens == 4 * 5 + 3 + 2 + 0 + 2  # [CLS] h i [SEP] and [SEP], and the texts
    behind.batcher.stop()


def test_texts_and_pairs_go_together(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    classifier = CrossEncoder(write_cross_encoder(make_checkpoint, labels=3))
    behind = CrossEncoding(classifier, Service(model, ServerSettings()))
    given: list[TextOrPair] = ["a b", ("c", "d e"), "", ("a", "")]
    logits, truncated = asyncio.run(behind.logits(given))
    # the library's own ids: a text stands between [CLS] and [SEP], a pair has another [SEP]
    encode = classifier.tokenizer.backend.encode
    encodings = [encode(item) if isinstance(item, str) else encode(item[0], item[1]) for item in given]
    expected = classifier.predict_tokens([e.ids for e in encodings], [e.type_ids for e in encodings])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=SCORE)
    assert truncated == []
    behind.batcher.stop()


def test_a_shortened_text_keeps_the_side_that_is_not_cut(
    model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    directory = write_cross_encoder(make_checkpoint)
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    (directory / "tokenizer_config.json").write_text(json.dumps({**settings, "truncation_side": "left"}))
    reranker = CrossEncoder(directory)
    behind = CrossEncoding(reranker, Service(model, ServerSettings()))
    ranking = asyncio.run(behind.rank("h", ["a b c d"], max_tokens_per_text=2))
    assert abs(ranking.scores[0] - float(reranker.predict(("h", "c d")))) < SCORE
    behind.batcher.stop()


def test_the_default_prompt_stands_before_texts_and_pairs(
    model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    directory = write_cross_encoder(make_checkpoint)
    reranker = CrossEncoder(directory, prompts={"q": "z z "}, default_prompt_name="q")
    behind = CrossEncoding(reranker, Service(model, ServerSettings(max_characters=12)))
    logits, _ = asyncio.run(behind.logits(["a", ("b", "c")]))
    encode = reranker.tokenizer.backend.encode
    encodings = [encode("z z a"), encode("z z b", "c")]
    expected = reranker.predict_tokens([e.ids for e in encodings], [e.type_ids for e in encodings])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=SCORE)
    with pytest.raises(RequestError, match="inputs has 14 characters"):  # the prompt counts
        asyncio.run(behind.logits(["a", ("bbb", "cc")]))
    behind.batcher.stop()


def test_a_reranker_of_several_labels_is_refused(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint, labels=3))
    with pytest.raises(ValueError, match=r"a reranker has one label; .* has 3"):
        create_app(model, reranker=reranker)
