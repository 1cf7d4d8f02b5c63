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


def test_async_calls_have_their_prompts_and_leave_the_loop_free(prompted: MiniLM, model: MiniLM) -> None:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    from langchain_core.vectorstores import InMemoryVectorStore

    from minilm.integrations.langchain import MiniLMEmbeddings

    ours = MiniLMEmbeddings(prompted)

    async def ask() -> tuple[list[float], list[list[float]], list[str]]:
        store = InMemoryVectorStore(ours)
        await store.aadd_texts(TEXTS[:3])
        query, documents = await asyncio.gather(ours.aembed_query(QUERY), ours.aembed_documents(TEXTS))
        found = await store.asimilarity_search(QUERY, k=1)
        return query, documents, [document.page_content for document in found]

    query, documents, found = asyncio.run(ask())
    close(query, model.encode("query: " + QUERY))
    close(documents, model.encode(["passage: " + text for text in TEXTS]))
    assert found == [TEXTS[1]]


def test_options_are_those_of_encode(
    model: MiniLM, batch_sizes: list[int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("langchain_core", reason="langchain-core is not installed")
    from minilm.integrations.langchain import MiniLMEmbeddings

    MiniLMEmbeddings(model, batch_size=7, show_progress_bar=True).embed_documents(TEXTS)
    assert 7 in batch_sizes
    assert "4/4" in capsys.readouterr().err
    with pytest.raises(ValueError, match="batch_size"):
        MiniLMEmbeddings(model, batch_size=0).embed_documents(TEXTS)
    with pytest.raises(TypeError, match="batchsize"):
        MiniLMEmbeddings(model, batchsize=7)  # type: ignore[call-arg]
