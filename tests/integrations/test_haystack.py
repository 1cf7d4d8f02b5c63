"""minilm/integrations/haystack.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_haystack(model: MiniLM, prompted: MiniLM) -> None:
    haystack = pytest.importorskip("haystack", reason="haystack-ai is not installed")
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from minilm.integrations.haystack import MiniLMDocumentEmbedder, MiniLMTextEmbedder

    documents = [haystack.Document(content=text, meta={"title": "T"}) for text in TEXTS]
    embedder = MiniLMDocumentEmbedder()
    close([d.embedding for d in embedder.run(documents)["documents"]], model.encode(TEXTS))
    assert documents[0].embedding is None  # the copies have it
    assert embedder.run([]) == {"documents": []}
    titled = MiniLMDocumentEmbedder(meta_fields_to_embed=["title", "absent"], embedding_separator=": ")
    embedded = titled.run(documents[:1])["documents"]
    close(embedded[0].embedding, model.encode("T: " + TEXTS[0]))
    close(MiniLMTextEmbedder(prompted).run(QUERY)["embedding"], model.encode("query: " + QUERY))
    with pytest.raises(TypeError, match="MiniLMTextEmbedder takes a str"):
        embedder.run(cast(Any, "text"))
    with pytest.raises(TypeError, match="text must be a str, not list"):
        MiniLMTextEmbedder().run(cast(Any, [QUERY]))

    trusted = ["minilm.integrations.haystack"]
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    writing = haystack.Pipeline()
    writing.add_component("embedder", titled)
    writing = haystack.Pipeline.loads(writing.dumps(), allowed_modules=trusted)
    store.write_documents(writing.run({"embedder": {"documents": documents}})["embedder"]["documents"])
    asking = haystack.Pipeline()
    asking.add_component("embedder", MiniLMTextEmbedder())
    asking = haystack.Pipeline.loads(asking.dumps(), allowed_modules=trusted)  # as YAML and back
    asking.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    [found] = asking.run({"embedder": {"text": QUERY}})["retriever"]["documents"]
    assert found.content == TEXTS[1]


def test_async_runs_have_their_prompts(model: MiniLM, prompted: MiniLM) -> None:
    haystack = pytest.importorskip("haystack", reason="haystack-ai is not installed")
    from minilm.integrations.haystack import MiniLMDocumentEmbedder, MiniLMTextEmbedder

    documents = [haystack.Document(content=text) for text in TEXTS]
    passages = model.encode(["passage: " + text for text in TEXTS])
    embedder, asking = MiniLMDocumentEmbedder(prompted), MiniLMTextEmbedder(prompted)
    close([d.embedding for d in embedder.run(documents)["documents"]], passages)
    close([d.embedding for d in asyncio.run(embedder.run_async(documents))["documents"]], passages)
    close(asyncio.run(asking.run_async(QUERY))["embedding"], model.encode("query: " + QUERY))
    pipeline = haystack.Pipeline()
    pipeline.add_component("query", asking)
    pipeline.add_component("documents", embedder)
    inputs = {"query": {"text": QUERY}, "documents": {"documents": documents}}
    found = asyncio.run(pipeline.run_async(inputs))
    close(found["query"]["embedding"], model.encode("query: " + QUERY))
    close([d.embedding for d in found["documents"]["documents"]], passages)


def test_the_batch_size_is_that_of_encode(model: MiniLM, batch_sizes: list[int | None]) -> None:
    haystack = pytest.importorskip("haystack", reason="haystack-ai is not installed")
    from minilm.integrations.haystack import MiniLMDocumentEmbedder

    embedder = MiniLMDocumentEmbedder.from_dict(MiniLMDocumentEmbedder(model, batch_size=7).to_dict())
    embedder.run([haystack.Document(content=text) for text in TEXTS])
    assert 7 in batch_sizes
    with pytest.raises(TypeError, match="batchsize"):
        MiniLMDocumentEmbedder(model, batchsize=7)  # type: ignore[call-arg]
