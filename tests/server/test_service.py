"""minilm/server/service.py: token ids of a request, and what goes through the tokenizer and the encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tokenizers import Tokenizer, processors

from minilm import CrossEncoder, MiniLM
from minilm.fast.engine import Engine
from minilm.server.app import create_app
from minilm.server.errors import RequestError
from minilm.server.limits import ServerSettings
from minilm.server.service import Reranking, Service, _Unpooled
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.serving import BOUND, A, B


@pytest.mark.parametrize(
    ("template", "before", "behind"),
    [
        ("[CLS] $A [SEP]", [2], [3]),
        ("[CLS] $A", [2], []),
        ("$A [SEP]", [], [3]),
        ("[CLS] [MASK] $A [SEP]", [2, 4], [3]),
        ("[CLS] $A [MASK] [SEP]", [2], [4, 3]),
    ],
)
def test_around_ids_stands_what_the_tokenizer_puts_around_texts(
    make_checkpoint: MakeCheckpoint, template: str, before: list[int], behind: list[int]
) -> None:
    directory = make_checkpoint()
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    special = [("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    tokenizer.save(str(directory / "tokenizer.json"))
    model = MiniLM(directory, max_seq_length=6)
    service = Service(model, ServerSettings())
    room = 6 - len(before) - len(behind)
    for length in (1, 2, room, room + 1, 10):
        text, ids = " ".join("abcdefghij"[:length]), [*range(5, 5 + length)]
        framed = [*before, *ids[:room], *behind]
        assert model.tokenizer([text]).input_ids == [framed]
        is_cut = [0] if length > room else []
        for given in (ids, [ids], [[*before, *ids, *behind]]):
            assert asyncio.run(service.token_ids(given, param="input")) == ([framed], is_cut)
    only_special = [*before, *behind]  # an empty text
    assert asyncio.run(service.token_ids(only_special, param="input"))[0] == [only_special]


@pytest.mark.parametrize(
    ("path", "body", "texts"),
    [
        ("/compare", {"text_a": A, "text_b": B, "explain": True}, 2),
        ("/compare", {"text_a": A, "text_b": B}, 2),
        ("/matrix", {"texts": [A, B, "c"]}, 3),
        ("/similarity", {"inputs": {"source_sentence": A, "sentences": [B]}}, 2),
        ("/embed", {"inputs": [A, B]}, 2),
        ("/v1/embeddings", {"input": [A, B]}, 2),
    ],
)
def test_each_text_is_tokenized_once_and_encoded_once(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], texts: int
) -> None:
    tokenized, encoded = list[str](), list[Any]()
    run = Engine.run

    class CountingBackend:
        """The tokenizer's backend; it notes the texts of every call."""

        def __getattr__(self, name: str) -> Any:
            attribute = getattr(backend, name)
            if not name.startswith("encode"):
                return attribute

            def encode(inputs: Any, **options: Any) -> Any:
                tokenized.extend([inputs] if isinstance(inputs, str) else inputs)
                return attribute(inputs, **options)

            return encode

    def count_rows(engine: Engine, token_ids: Sequence[Any], *arguments: Any, **options: Any) -> Any:
        encoded.extend(token_ids)
        return run(engine, token_ids, *arguments, **options)

    backend = model.tokenizer.backend
    monkeypatch.setattr(model.tokenizer, "backend", CountingBackend())
    monkeypatch.setattr(Engine, "run", count_rows)
    with TestClient(create_app(model)) as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200
    assert (len(tokenized), len(encoded)) == (texts, texts)


def test_an_explanation_shares_a_batch_with_embeddings(model: MiniLM) -> None:
    """The batch gives hidden states to one request and embeddings to the other."""
    service = Service(model, ServerSettings())
    ids = model.tokenizer([A, B]).input_ids
    states, embedding = service._encode([_Unpooled(ids[0]), ids[1]])
    assert states.shape == (9, 384)
    # the same float32 arithmetic on one text at a time; components are ten times as large as normalized ones
    np.testing.assert_allclose(
        embedding, model.encode_tokens([ids[1]], normalize=False)[0], rtol=0, atol=10 * BOUND
    )
    explanation, _, _ = asyncio.run(service.explain([A, B], "texts"))
    expected = model.explain(A, B)
    np.testing.assert_allclose(explanation.contributions, expected.contributions, rtol=0, atol=1e-6)
    assert abs(explanation.score - expected.score) < 1e-6
    service.batcher.stop()


def test_an_explanation_is_refused_when_the_queue_is_full(model: MiniLM) -> None:
    service = Service(model, ServerSettings(max_queue_tokens=10))
    service.batcher._tokens = 10  # as if they waited
    with pytest.raises(RequestError) as error:
        asyncio.run(service.explain([A, B], "texts"))
    assert (error.value.status_code, error.value.code) == (503, "queue_full")
    service.batcher.stop()


def test_scores_are_those_of_the_cross_encoder(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    reranking = Reranking(reranker, Service(model, ServerSettings()))
    texts = ["a b c", "d e", ""]
    scores = asyncio.run(reranking.scores("h i", texts, truncate=False, is_raw=False))
    # float32 and two layers; another pack may round in another order
    np.testing.assert_allclose(scores, reranker.predict([("h i", text) for text in texts]), rtol=0, atol=1e-6)
    reranking.batcher.stop()


def test_a_reranker_of_several_labels_is_refused(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint, labels=3))
    with pytest.raises(ValueError, match=r"a reranker has one label; .* has 3"):
        Reranking(reranker, Service(model, ServerSettings()))
