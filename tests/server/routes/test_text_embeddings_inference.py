"""minilm/server/routes/text_embeddings_inference.py: embeddings, similarity and ranking."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM, encoder
from minilm._arrays import Parameters
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.serving import BOUND, A, B, Server, error_message

LONG = "word " * 255  # one token more than there is room for


def test_text_embeddings_inference_routes(server: Server, model: MiniLM) -> None:
    _, vectors, _ = server.ask("/embed", {"inputs": [A, B]})
    np.testing.assert_allclose(vectors, model.encode([A, B]), rtol=0, atol=BOUND)
    _, vectors, _ = server.ask("/embed", {"inputs": A, "normalize": False})
    # components of unnormalized vectors are ten times as large
    plain = model.encode_tokens(model.tokenizer.texts([A]).input_ids, normalize=False)
    np.testing.assert_allclose(vectors, plain, rtol=0, atol=10 * BOUND)
    _, scores, _ = server.ask("/similarity", {"inputs": {"source_sentence": A, "sentences": [B, A]}})
    # a sum of 384 products of components that are within the bound: seen at 6e-8
    np.testing.assert_allclose(scores, [0.805222, 1.0], rtol=0, atol=1e-6)


def test_embed_all_gives_the_hidden_state_of_every_token(
    server: Server, model: MiniLM, float64_parameters: Parameters
) -> None:
    ids = model.tokenizer.texts([A, "cat"]).input_ids
    status, answer, _ = server.ask("/embed_all", {"inputs": [A, "cat"]})
    assert (status, [len(tokens) for tokens in answer]) == (200, [9, 3])
    mask = np.ones((1, 3), np.int64)
    [oracle] = encoder.encode(np.array([ids[1]]), mask, float64_parameters, model.config)
    # components of hidden states are up to 3, those of embeddings up to 0.2
    np.testing.assert_allclose(answer[1], oracle, rtol=0, atol=20 * BOUND)
    # their mean, scaled to length 1, is the embedding
    mean = np.mean(answer[0], axis=0)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), model.encode(A), rtol=0, atol=BOUND)
    # a text of 256 tokens 65 times, which is 256 more than the limit
    status, answer, _ = server.ask("/embed_all", {"inputs": ["word " * 400] * 65, "truncate": True})
    assert (status, "has 16,640 tokens; /embed_all answers 16,384" in answer["error"]) == (413, True)


@pytest.fixture
def prompted(model: MiniLM, make_checkpoint: MakeCheckpoint, tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server of the real weights with prompts, and of a small reranker with random ones."""
    directory = tmp_path / "prompted"
    shutil.copytree(model.checkpoint.directory, directory, copy_function=os.link)
    settings = {"prompts": {"query": "query: "}}
    (directory / "config_sentence_transformers.json").unlink(missing_ok=True)
    (directory / "config_sentence_transformers.json").write_text(json.dumps(settings))
    reranker = write_cross_encoder(make_checkpoint)
    options = ("--model", str(directory), "--reranker", str(reranker), "--default-prompt-name", "query")
    running = Server(*options)
    yield running, reranker
    assert running.stop() == 0


def test_prompts_stand_before_texts(prompted: tuple[Server, Path], model: MiniLM) -> None:
    server, _ = prompted
    expected, plain = model.encode([A, B], prompt="query: "), model.encode([A, B])
    for body in ({"inputs": [A, B], "prompt_name": "query"}, {"inputs": [A, B]}):
        np.testing.assert_allclose(server.ask("/embed", body)[1], expected, rtol=0, atol=BOUND)
    _, answer, _ = server.ask("/v1/embeddings", {"input": A})
    np.testing.assert_allclose(answer["data"][0]["embedding"], expected[0], rtol=0, atol=BOUND)
    _, vectors, _ = server.ask("/embed", {"inputs": [A, B], "prompt_name": "document"})  # an empty one
    np.testing.assert_allclose(vectors, plain, rtol=0, atol=BOUND)
    given = {"source_sentence": A, "sentences": [B]}
    _, scores, _ = server.ask("/similarity", {"inputs": given, "parameters": {"prompt_name": "query"}})
    np.testing.assert_allclose(scores, expected[0] @ expected[1], rtol=0, atol=1e-6)
    # the explanation is of the same score, and says nothing of the prompt's tokens
    _, answer, _ = server.ask("/compare", {"text_a": A, "text_b": B, "explain": True})
    assert abs(answer["score"] - expected[0] @ expected[1]) < 1e-6
    assert abs(np.sum(answer["contributions"]) - answer["score"]) < 1e-6
    tokens = answer["a"]["tokens"]
    assert [t["token"] for t in tokens if t["is_special"]] == ["[CLS]", "query", ":", "[SEP]"]
    assert [A[t["start"] : t["end"]] for t in tokens if not t["is_special"]][:3] == ["A", "girl", "is"]
    status, answer, _ = server.ask("/embed", {"inputs": A, "prompt_name": "nothing"})
    assert status == 422
    assert "prompt_name must be one of query, document" in error_message("/embed", answer)


def test_long_texts_are_cut_by_default_and_named(server: Server, model: MiniLM) -> None:
    words = ["in"] * 100 + ["on"] * 100 + ["at"] * 100  # one token each
    long, kept = " ".join(words), {"right": " ".join(words[:254]), "left": " ".join(words[-254:])}
    cases: list[tuple[str, dict[str, Any]]] = [
        ("right", {}),
        ("right", {"truncate": None, "truncation_direction": None}),
        ("right", {"truncate": True, "truncation_direction": "Right"}),
        ("right", {"truncation_direction": "right"}),
        ("left", {"truncation_direction": "Left"}),
        ("left", {"truncate": True, "truncation_direction": "left"}),
    ]
    for side, options in cases:
        status, vectors, headers = server.ask("/embed", {"inputs": ["a", long], **options})
        assert (status, headers["x-truncated"], headers["x-truncated-count"]) == (200, "1", "1")
        np.testing.assert_allclose(vectors, model.encode(["a", kept[side]]), rtol=0, atol=BOUND)
        given = {"source_sentence": long, "sentences": ["a", long, kept[side]]}
        _, scores, headers = server.ask("/similarity", {"inputs": given, "parameters": options})
        assert headers["x-truncated"] == "source_sentence,1"
        np.testing.assert_allclose(scores[1:], [1, 1], rtol=0, atol=1e-6)
    assert "x-truncated" not in server.ask("/embed", {"inputs": "a"})[2]


def test_the_header_of_many_long_texts_is_short(make_checkpoint: MakeCheckpoint) -> None:
    with TestClient(create_app(MiniLM(make_checkpoint()))) as client:
        headers = client.post("/embed", json={"inputs": ["word " * 300] * 300}).headers
    assert headers["x-truncated-count"] == "300"
    assert headers["x-truncated"] == ",".join(map(str, range(200)))


@pytest.mark.parametrize(("inputs", "place"), [(LONG, "inputs"), (["a", LONG], "inputs[1]")])
def test_with_truncate_false_a_long_text_is_refused(server: Server, inputs: Any, place: str) -> None:
    status, answer, _ = server.ask("/embed", {"inputs": inputs, "truncate": False})
    expected = f"{place} is longer than the model's 256 tokens: truncate: true has it cut"
    assert (status, answer) == (413, {"error": expected, "error_type": "Validation"})


def test_without_auto_truncate_long_texts_are_cut_only_for_a_request_that_says_so(model: MiniLM) -> None:
    long = "word " * 300
    with TestClient(create_app(model, ServerSettings(auto_truncate=False))) as client:
        for truncate, expected in ((None, 413), (False, 413), (True, 200)):
            answer = client.post("/embed", json={"inputs": long, "truncate": truncate})
            assert answer.status_code == expected
        given = {"inputs": {"source_sentence": "a", "sentences": [long]}}
        answer = client.post("/similarity", json=given)
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("inputs.sentences[0] is longer than the model's 256 tokens")
        # the page says itself what was cut
        assert client.post("/matrix", json={"texts": ["a", long]}).json()["truncated"] == [1]


def test_rerank_cuts_the_side_that_is_asked_for(model: MiniLM, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    words = [*"abcde"] * 20
    body: dict[str, Any] = {"query": "h i", "texts": [" ".join(words)]}
    room = reranker.max_seq_length - len(["[CLS]", "h", "i", "[SEP]", "[SEP]"])
    with TestClient(create_app(model, reranker=reranker)) as client:
        for side, kept in (("Right", words[:room]), ("Left", words[-room:])):
            [item] = client.post("/rerank", json={**body, "truncation_direction": side}).json()
            assert abs(item["score"] - reranker.predict(("h i", " ".join(kept)))) < 1e-6


def test_rerank(prompted: tuple[Server, Path]) -> None:
    server, directory = prompted
    ours = CrossEncoder(directory)
    texts = ["a b c", "d e", "x y z q", "d e"]
    ranking = ours.rank("h i", texts, return_documents=True)
    _, answer, _ = server.ask("/rerank", {"query": "h i", "texts": texts, "return_text": True})
    assert [(r["index"], r["text"]) for r in answer] == [(r["corpus_id"], r["text"]) for r in ranking]
    # float32 and two layers; another pack may round in another order
    np.testing.assert_allclose([r["score"] for r in answer], [r["score"] for r in ranking], rtol=0, atol=1e-6)
    _, raw, _ = server.ask("/rerank", {"query": "h i", "texts": texts, "raw_scores": True})
    logits = ours.predict([("h i", text) for text in texts], activation_fn=lambda x: x)
    np.testing.assert_allclose(
        [r["score"] for r in raw], logits[[r["index"] for r in raw]], rtol=0, atol=1e-6
    )
    assert "text" not in raw[0]
    long = ["b", "a " * 100]
    status, answer, _ = server.ask("/rerank", {"query": "h i", "texts": long, "truncate": False})
    assert (status, answer["error_type"]) == (413, "Validation")
    for truncate in (None, True):
        request = {"query": "h i", "texts": long, "truncate": truncate}
        status, answer, headers = server.ask("/rerank", request)
        assert (status, len(answer), headers["x-truncated"]) == (200, 2, "1")
    assert server.ask("/rerank", {"query": "a", "texts": []})[0] == 400
    for body in ({"query": "\ud800", "texts": ["a"]}, {"texts": ["a"]}):
        assert server.ask("/rerank", body)[0] == 422
    with ThreadPoolExecutor(8) as executor:
        asked = [texts[: 1 + i % 4] for i in range(64)]
        answers = executor.map(lambda t: server.ask("/rerank", {"query": "h i", "texts": t}), asked)
        for given, (_, answer, _) in zip(asked, answers, strict=True):
            scores = {r["corpus_id"]: r["score"] for r in ours.rank("h i", given)}
            for item in answer:
                assert abs(item["score"] - scores[item["index"]]) < 1e-6
    _, metrics, _ = server.ask("/metrics")
    assert b"minilm_queue_tokens 0.0" in metrics
