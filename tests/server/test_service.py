"""minilm/server/service.py: token ids of a request, and what goes through the tokenizer and the encoder."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tokenizers import Tokenizer, processors

from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.batching import Batcher
from minilm.server.responses import RequestError
from minilm.server.service import Reranking, Service
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.counting import Work
from tests.serving import BOUND, A, B


def test_ids_are_cut_on_the_side_of_texts(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "tokenizer_config.json").write_text(json.dumps({"truncation_side": "left"}))
    model = MiniLM(directory, max_seq_length=4)
    service = Service(model, ServerSettings(token_ids="wordpiece"))
    assert model.tokenizer.texts(["a b c"]).input_ids == [[2, 6, 7, 3]]
    assert asyncio.run(service.token_ids([5, 6, 7], param="input")) == ([[2, 6, 7, 3]], [0])
    assert asyncio.run(service.token_ids([[2, 5, 6, 7, 3]], param="input")) == ([[2, 6, 7, 3]], [0])


@pytest.mark.parametrize(
    ("template", "prefix", "suffix"),
    [
        ("[CLS] $A [SEP]", [2], [3]),
        ("[CLS] $A", [2], []),
        ("$A [SEP]", [], [3]),
        ("[CLS] [MASK] $A [SEP]", [2, 4], [3]),
        ("[CLS] $A [MASK] [SEP]", [2], [4, 3]),
    ],
)
def test_ids_get_the_special_tokens_that_texts_get(
    make_checkpoint: MakeCheckpoint, template: str, prefix: list[int], suffix: list[int]
) -> None:
    directory = make_checkpoint()
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    special = [("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    tokenizer.save(str(directory / "tokenizer.json"))
    # the class that keeps the file's template
    as_it_is = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(as_it_is))
    model = MiniLM(directory, max_seq_length=6)
    service = Service(model, ServerSettings(token_ids="wordpiece"))
    room = 6 - len(prefix) - len(suffix)
    for length in (1, 2, room, room + 1, 10):
        text, ids = " ".join("abcdefghij"[:length]), [*range(5, 5 + length)]
        framed = [*prefix, *ids[:room], *suffix]
        assert model.tokenizer.texts([text]).input_ids == [framed]
        is_cut = [0] if length > room else []
        for inputs in (ids, [ids], [[*prefix, *ids, *suffix]]):
            assert asyncio.run(service.token_ids(inputs, param="input")) == ([framed], is_cut)
    only_special = [*prefix, *suffix]  # an empty text
    assert asyncio.run(service.token_ids(only_special, param="input"))[0] == [only_special]


@pytest.mark.parametrize(
    ("path", "body", "texts"),
    [
        ("/compare", {"text_a": A, "text_b": B, "explain": True}, [A, B]),
        ("/compare", {"text_a": A, "text_b": B, "explain": False}, [A, B]),
        ("/matrix", {"texts": [A, B, "c"]}, [A, B, "c"]),
        ("/similarity", {"inputs": {"source_sentence": A, "sentences": [B, "c"]}}, [A, B, "c"]),
        ("/embed", {"inputs": [A, B]}, [A, B]),
        ("/v1/embeddings", {"input": [A, B]}, [A, B]),
    ],
)
def test_each_text_is_tokenized_once_and_encoded_once(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], texts: list[str]
) -> None:
    expected = model.tokenizer.texts(texts).input_ids
    with TestClient(create_app(model)) as client:
        work = Work(model, monkeypatch)
        assert client.post(path, json=body).status_code == 200
    assert work.tokenized == texts
    assert sorted(work.encoded) == sorted(expected)


class GatedBatches:
    """A stop before the encoder: ``taken`` is set when a batch is taken, which then waits for ``gate``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate, self.taken = threading.Event(), threading.Event()
        run = Batcher._encode_batch

        def encode_when_open(batcher: Batcher, pieces: Any) -> None:
            self.taken.set()
            assert self.gate.wait(60)
            run(batcher, pieces)

        monkeypatch.setattr(Batcher, "_encode_batch", encode_when_open)


def test_token_vectors_and_embeddings_share_a_batch(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two explanations and two embeddings wait together; each request gets what it asked for."""
    service, batches = Service(model, ServerSettings()), GatedBatches(monkeypatch)
    pairs, single = [[A, B], ["one", "another text"]], ["a", "b c", "d e f"]
    rows = [model.tokenizer.texts([text]).input_ids for text in single]
    sizes: list[int] = []
    token_embeddings = model.token_embeddings

    def counted(input_ids: Sequence[Sequence[int]]) -> list[Any]:
        sizes.append(len(input_ids))
        return token_embeddings(input_ids)

    monkeypatch.setattr(model, "token_embeddings", counted)

    async def ask() -> list[Any]:
        first = asyncio.create_task(service.embed(rows[0], is_normalized=False))
        assert await asyncio.to_thread(batches.taken.wait, 60)
        # embedding, explanation, explanation, embedding
        second, third = (service.embed(row, is_normalized=False) for row in rows[1:])
        explanations = [service.explain(pair, "texts") for pair in pairs]
        tasks = [asyncio.create_task(request) for request in [second, *explanations, third]]
        await asyncio.sleep(0)  # all are in the queue
        batches.gate.set()
        return await asyncio.gather(first, *tasks)

    first, second, *explanations, third = asyncio.run(ask())
    service.batcher.stop()
    assert sizes == [6]
    for pair, (explanation, _, _) in zip(pairs, explanations, strict=True):
        expected = model.explain(*pair)
        np.testing.assert_allclose(explanation.contributions, expected.contributions, rtol=0, atol=1e-6)
        assert abs(explanation.score - expected.score) < 1e-6
    # the same float32 arithmetic on other packs; components are ten times as large as normalized ones
    for embedding, ids in zip((first, second, third), rows, strict=True):
        plain = model.encode_tokens(ids, normalize=False)
        np.testing.assert_allclose(embedding, plain, rtol=0, atol=10 * BOUND)


def test_embeddings_are_cut_first_and_scaled_then(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(model, ServerSettings())
    monkeypatch.setattr(service, "_embed", lambda _: np.array([[3, 4, 12]], np.float32))

    async def embed(**options: Any) -> list[list[float]]:
        return (await service.embed([[101, 102]], 2, **options)).tolist()

    np.testing.assert_allclose(asyncio.run(embed()), [[0.6, 0.8]], rtol=1e-6)
    assert asyncio.run(embed(is_normalized=False)) == [[3, 4]]
    service.batcher.stop()


def test_too_many_dimensions_are_refused(model: MiniLM) -> None:
    service = Service(model, ServerSettings())
    lengths = [asyncio.run(service.embed([[101, 102]], count)).shape for count in (None, 64)]
    assert lengths == [(1, 384), (1, 64)]
    with pytest.raises(RequestError) as error:
        asyncio.run(service.embed([[101, 102]], 385))
    assert (error.value.status_code, error.value.param) == (422, "dimensions")
    service.batcher.stop()


def test_an_explanation_waits_in_the_queue_and_is_refused_when_it_is_full(
    model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(model, ServerSettings(max_queue_tokens=30))
    batches = GatedBatches(monkeypatch)
    body = {"text_a": A, "text_b": B, "explain": True}  # 18 tokens
    with TestClient(app) as client, ThreadPoolExecutor(1) as executor:
        first = executor.submit(client.post, "/compare", json=body)
        try:
            assert batches.taken.wait(60)
            assert "minilm_queue_tokens 18.0" in client.get("/metrics").text
            refused = client.post("/compare", json=body)
        finally:
            batches.gate.set()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert first.result().status_code == 200
        assert client.post("/compare", json=body).status_code == 200
        assert "minilm_queue_tokens 0.0" in client.get("/metrics").text


def test_scores_are_those_of_the_cross_encoder(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    reranking = Reranking(reranker, Service(model, ServerSettings()))
    texts = ["a b c", "d e", ""]
    scores, truncated = asyncio.run(reranking.scores("h i", texts, truncate=False))
    assert truncated == []
    # float32 and two layers; another pack may round in another order
    np.testing.assert_allclose(scores, reranker.predict([("h i", text) for text in texts]), rtol=0, atol=1e-6)
    reranking.batcher.stop()


def test_a_reranker_of_several_labels_is_refused(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint, labels=3))
    with pytest.raises(ValueError, match=r"a reranker has one label; .* has 3"):
        Reranking(reranker, Service(model, ServerSettings()))
