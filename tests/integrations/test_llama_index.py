"""minilm/integrations/llama_index.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import asyncio

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_llama_index(model: MiniLM, prompted: MiniLM) -> None:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from llama_index.core import VectorStoreIndex
    from llama_index.core.schema import TextNode

    from minilm.integrations.llama_index import MiniLMEmbedding

    ours = MiniLMEmbedding(embed_batch_size=2)
    close(ours.get_text_embedding_batch(TEXTS[:3]), model.encode(TEXTS[:3]))
    close(ours.get_text_embedding(TEXTS[0]), model.encode(TEXTS[0]))
    close(ours.get_query_embedding(QUERY), model.encode(QUERY))
    close(asyncio.run(ours.aget_query_embedding(QUERY)), model.encode(QUERY))
    close(asyncio.run(ours.aget_text_embedding(QUERY)), model.encode(QUERY))
    close(asyncio.run(ours.aget_text_embedding_batch(TEXTS[:3])), model.encode(TEXTS[:3]))
    assert (ours.model_name, ours.embed_batch_size) == ("sentence-transformers/all-MiniLM-L6-v2", 2)
    two_prompts = MiniLMEmbedding(prompted)
    close(two_prompts.get_query_embedding(QUERY), model.encode("query: " + QUERY))
    close(two_prompts.get_text_embedding(TEXTS[1]), model.encode("passage: " + TEXTS[1]))
    index = VectorStoreIndex([TextNode(text=text) for text in TEXTS[:3]], embed_model=ours)
    [hit] = index.as_retriever(similarity_top_k=1).retrieve(QUERY)
    assert hit.text == TEXTS[1]
    assert abs((hit.score or 0.0) - float(model.similarity(QUERY, TEXTS[1])[0, 0])) < 1e-6
