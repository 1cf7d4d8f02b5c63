"""LiteLLM, by the name of each provider whose protocol the service speaks."""

from __future__ import annotations

from typing import Any

import pytest

from minilm import CrossEncoder, MiniLM
from tests.server.clients.expected import DOCUMENTS, KEY, LONG, QUERY, assert_ranking, assert_vectors
from tests.serving import A, B, Server


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise it looks for one on the network
    return pytest.importorskip("litellm", reason="litellm is not installed")


@pytest.mark.parametrize(
    ("provider", "path", "options"),
    [
        ("openai", "/v1", {}),
        ("hosted_vllm", "/v1", {}),
        ("jina_ai", "/v1", {}),
        ("infinity", "", {}),
        ("ollama", "", {}),
        # without input_type it asks the Hub what the model is for
        ("huggingface", "", {"input_type": "feature-extraction"}),
    ],
)
def test_embedding(
    litellm: Any, with_key: Server, model: MiniLM, provider: str, path: str, options: dict[str, str]
) -> None:
    answer = litellm.embedding(
        f"{provider}/m", input=[A, B, LONG], api_base=with_key.url + path, api_key=KEY, **options
    )
    assert_vectors([item["embedding"] for item in answer.data], model, [A, B, LONG])


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        ("cohere", {}),
        ("jina_ai", {}),
        ("hosted_vllm", {}),
        ("huggingface", {}),
        # It expects a document as a plain string; all others, whose request is the same, expect an object.
        ("infinity", {"return_documents": False}),
    ],
)
def test_rerank(
    litellm: Any, with_key: Server, reranker: CrossEncoder, provider: str, options: dict[str, bool]
) -> None:
    answer = litellm.rerank(
        f"{provider}/m", query=QUERY, documents=DOCUMENTS, api_base=with_key.url, api_key=KEY, **options
    )
    assert_ranking([(item["index"], item["relevance_score"]) for item in answer.results], reranker)
    if not options:
        assert [item["document"]["text"] for item in answer.results] == [
            DOCUMENTS[item["index"]] for item in answer.results
        ]
