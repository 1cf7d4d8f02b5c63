"""minilm/integrations/langchain.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_langchain(model: MiniLM, prompted: MiniLM) -> None:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    from minilm.integrations.langchain import MiniLMEmbeddings

    ours = MiniLMEmbeddings()
    assert isinstance(ours, Embeddings)
    close(ours.embed_documents(TEXTS), model.encode(TEXTS))
    close(ours.embed_query(QUERY), model.encode(QUERY))
    close(asyncio.run(ours.aembed_documents(TEXTS)), model.encode(TEXTS))
    assert ours.embed_documents([]) == []
    assert type(ours.embed_query(QUERY)[0]) is float
    two_prompts = MiniLMEmbeddings(prompted, batch_size=2)
    close(two_prompts.embed_query(QUERY), model.encode("query: " + QUERY))
    close(two_prompts.embed_documents(TEXTS), model.encode(["passage: " + text for text in TEXTS]))
    store = InMemoryVectorStore(ours)
    store.add_texts(TEXTS[:3])
    found = store.as_retriever(search_kwargs={"k": 2}).invoke(QUERY)
    order = np.argsort(-(model.encode(TEXTS[:3]) @ model.encode(QUERY)))
    assert [document.page_content for document in found] == [TEXTS[i] for i in order[:2]]
