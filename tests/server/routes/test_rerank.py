"""minilm/server/routes/rerank.py: the forms of text-embeddings-inference, Cohere and Jina."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

QUERY = "h i"
TEXTS = ["a b c", "d e", "x y z q", "d e"]
PATHS = ("/rerank", "/v1/rerank", "/v2/rerank")
# float32 and two layers; another pack may round in another order
SCORE = 1e-6


@pytest.fixture
def reranker(make_checkpoint: MakeCheckpoint) -> CrossEncoder:
    return CrossEncoder(write_cross_encoder(make_checkpoint))


@pytest.fixture
def client(model: MiniLM, reranker: CrossEncoder) -> Iterator[TestClient]:
    with TestClient(create_app(model, reranker=reranker)) as client:
        yield client


def results(client: TestClient, path: str, **fields: Any) -> list[dict[str, Any]]:
    body = {"query": QUERY, "documents": TEXTS, **fields}
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    ranking: list[dict[str, Any]] = answer.json()["results"]
    return ranking


@pytest.mark.parametrize("path", PATHS)
def test_documents_are_ranked_as_the_cross_encoder_ranks_them(
    client: TestClient, reranker: CrossEncoder, path: str
) -> None:
    expected = reranker.rank(QUERY, TEXTS)
    ranking = results(client, path)
    # equal texts have equal scores, and keep their order
    assert [r["index"] for r in ranking] == [r["corpus_id"] for r in expected]
    scores = [r["relevance_score"] for r in ranking]
    np.testing.assert_allclose(scores, [r["score"] for r in expected], rtol=0, atol=SCORE)
    assert results(client, path, top_n=2) == ranking[:2]
    assert results(client, path, top_n=99) == ranking
    logits = reranker.predict([(QUERY, text) for text in TEXTS], activation_fn=lambda x: x)
    for field in ({"raw_scores": True}, {"use_activation": False}):
        raw = [r["relevance_score"] for r in results(client, path, **field)]
        np.testing.assert_allclose(raw, -np.sort(-logits), rtol=0, atol=SCORE)


def test_an_answer_has_what_cohere_and_jina_promise(client: TestClient, reranker: CrossEncoder) -> None:
    tokens = sum(map(len, reranker.tokenizer.pairs([(QUERY, text) for text in TEXTS]).input_ids))
    for path in PATHS:
        answer = client.post(path, json={"query": QUERY, "documents": TEXTS, "model": "any"}).json()
        assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
        assert answer["meta"]["tokens"] == {"input_tokens": tokens, "output_tokens": 0}
        assert answer["model"] == reranker.checkpoint.directory.name
        assert len(answer["id"]) == 36


def test_documents_are_returned_as_they_were_given(client: TestClient) -> None:
    documents = ["a b c", {"text": "d e", "title": "T"}]
    given = [{"text": "a b c"}, {"text": "d e", "title": "T"}]
    for path, fields, is_returned in (
        ("/rerank", {}, True),  # as Jina and vLLM
        ("/v1/rerank", {}, True),
        ("/v2/rerank", {}, False),  # as Cohere
        ("/v2/rerank", {"return_documents": True}, True),
        ("/v1/rerank", {"return_documents": False}, False),
        ("/v1/rerank", {"return_documents": None}, True),
    ):
        for result in results(client, path, documents=documents, **fields):
            assert result.get("document") == (given[result["index"]] if is_returned else None)


def test_the_same_path_takes_the_texts_of_text_embeddings_inference(client: TestClient) -> None:
    ranking = results(client, "/rerank")
    answer = client.post("/rerank", json={"query": QUERY, "texts": TEXTS}).json()
    assert answer == [{"index": r["index"], "score": r["relevance_score"]} for r in ranking]
    for body in ({}, {"texts": TEXTS, "documents": TEXTS}):
        refused = client.post("/rerank", json={"query": QUERY, **body})
        assert refused.status_code == 422
        assert (
            "it must be an object with texts (text-embeddings-inference) or documents (Cohere, Jina)"
            in refused.json()["error"]
        )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 16, 4096])
def test_max_tokens_per_doc_cuts_each_document(client: TestClient, reranker: CrossEncoder, size: int) -> None:
    documents = ["abc d", "a b c d e", "z"]
    # the library's own tokens: the pieces a, ##b, ##c and d
    cut = []
    for text in documents:
        offsets = reranker.tokenizer.backend.encode(text, add_special_tokens=False).offsets
        cut.append(text[: offsets[:size][-1][1]])
    ranking = results(client, "/v2/rerank", documents=documents, max_tokens_per_doc=size)
    expected = {r["corpus_id"]: r["score"] for r in reranker.rank(QUERY, cut)}
    for result in ranking:
        assert abs(result["relevance_score"] - expected[result["index"]]) < SCORE


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"documents": []}, "documents is empty"),
        ({"documents": ["a", 5]}, "documents[1] is 5: it must be a text, or an object of texts"),
        (
            {"documents": [{"image": "a"}]},
            "documents[0] is an object: it must be",
        ),
        (
            {"documents": [{"text": "a", "page": 5}]},
            "documents[0] is an object: it must be",
        ),
        (
            {"documents": [{"text": "a", "b": "\ud800"}]},
            "documents[0] is an object: it must be",
        ),
        ({"documents": ["a", "\ud800"]}, "documents[1] holds a lone surrogate"),
        ({"query": None}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": True}, "top_n"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"priority": 1}, "priority"),
        ({"instruction": "Rank."}, "instruction"),
        ({"return_embeddings": True}, "return_embeddings"),
        ({"truncate_prompt_tokens": 8}, "truncate_prompt_tokens"),
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc"),
    ],
)
def test_refusals_have_coheres_message_and_jinas_detail(
    client: TestClient, path: str, fields: dict[str, Any], message: str
) -> None:
    # a lone surrogate has no UTF-8 form, but an escape
    content = json.dumps({"query": QUERY, "documents": TEXTS, **fields})
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json() == {"message": answer.json()["detail"], "detail": answer.json()["message"]}
    assert message in answer.json()["message"]


def test_fields_that_ask_for_what_is_done_anyway_are_accepted(client: TestClient) -> None:
    plain = results(client, "/v1/rerank")
    for fields in (
        {"rank_fields": ["text"], "max_chunks_per_doc": 10, "priority": 0},
        {"truncate_prompt_tokens": -1, "return_embeddings": False, "use_activation": True},
        dict.fromkeys(["rank_fields", "top_n", "priority", "instruction", "model", "max_tokens_per_doc"]),
    ):
        assert results(client, "/v1/rerank", **fields) == plain


def test_long_pairs_are_cut_by_default(client: TestClient, reranker: CrossEncoder) -> None:
    long = "a " * 100
    [result] = results(client, "/v2/rerank", documents=[long])
    with pytest.warns(UserWarning, match="were cut at 16 tokens"):
        expected = reranker.predict((QUERY, long))
    assert abs(result["relevance_score"] - expected) < SCORE


def test_a_server_without_a_reranker_says_so_in_each_protocol(model: MiniLM) -> None:
    message = "this server has no reranker: start it with --reranker MODEL"
    with TestClient(create_app(model)) as client:
        texts = client.post("/rerank", json={"query": QUERY, "texts": TEXTS})
        assert (texts.status_code, texts.json()["error"]) == (404, message)
        for path in PATHS[1:]:
            answer = client.post(path, json={"query": QUERY, "documents": TEXTS})
            assert (answer.status_code, answer.json()) == (404, {"message": message, "detail": message})


def test_a_strict_server_knows_the_reranker_by_its_name(model: MiniLM, reranker: CrossEncoder) -> None:
    with TestClient(create_app(model, ServerSettings(strict_model=True), reranker)) as client:
        for name, status in ((reranker.checkpoint.directory.name, 200), ("rerank-v3.5", 404)):
            for path in PATHS:
                body = {"query": QUERY, "documents": TEXTS, "model": name}
                assert client.post(path, json=body).status_code == status
