"""minilm/integrations/llama_index.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from minilm import MiniLM
from tests.checkpoints import MakeCheckpoint
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


def test_async_calls_have_their_prompts(model: MiniLM, prompted: MiniLM) -> None:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from llama_index.core import VectorStoreIndex
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import TextNode

    from minilm.integrations.llama_index import MiniLMEmbedding

    ours = MiniLMEmbedding(prompted, embed_batch_size=2, num_workers=2)
    passages = model.encode(["passage: " + text for text in TEXTS[:3]])
    close(asyncio.run(ours.aget_query_embedding(QUERY)), model.encode("query: " + QUERY))
    close(asyncio.run(ours.aget_text_embedding(TEXTS[0])), passages[0])
    close(asyncio.run(ours.aget_text_embedding_batch(TEXTS[:3])), passages)
    nodes = [TextNode(text=text) for text in TEXTS[:3]]
    embedded = asyncio.run(IngestionPipeline(transformations=[ours]).arun(nodes=nodes))
    close([node.embedding for node in embedded], passages)
    index = VectorStoreIndex(list(embedded), embed_model=ours)
    [hit] = asyncio.run(index.as_retriever(similarity_top_k=1).aretrieve(QUERY))
    assert hit.text == TEXTS[1]


def test_batches_are_as_large_as_embed_batch_size(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from minilm.integrations.llama_index import MiniLMEmbedding

    sizes = []
    encode: Any = MiniLM.encode_document

    def seeing(self: MiniLM, texts: list[str]) -> Any:
        sizes.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(MiniLM, "encode_document", seeing)
    ours = MiniLMEmbedding(model, embed_batch_size=3)
    close(ours.get_text_embedding_batch(TEXTS[:3] * 3 + ["a"]), model.encode(TEXTS[:3] * 3 + ["a"]))
    asyncio.run(ours.aget_text_embedding_batch(TEXTS[:2] * 2))
    assert sizes == [3, 3, 3, 1, 3, 1]


def test_what_llama_index_stores_gives_the_same_model_back(
    make_checkpoint: MakeCheckpoint, prompted: MiniLM
) -> None:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from minilm.integrations.llama_index import MiniLMEmbedding

    directory = make_checkpoint()
    ours = MiniLMEmbedding(directory)
    expected = MiniLM(directory).encode("a b")
    for copied in (
        MiniLMEmbedding.from_dict(ours.to_dict()),
        MiniLMEmbedding.from_json(ours.to_json()),
        pickle.loads(pickle.dumps(ours)),
    ):
        assert copied.model_name == str(directory)
        close(copied.get_text_embedding("a b"), expected)
    assert len(pickle.dumps(ours)) < 10_000  # the name, not the weights
    close(
        pickle.loads(pickle.dumps(MiniLMEmbedding(prompted))).get_query_embedding(QUERY),
        prompted.encode_query(QUERY),
    )


def test_an_unknown_option_is_an_error(model: MiniLM) -> None:
    pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
    from minilm.integrations.llama_index import MiniLMEmbedding

    with pytest.raises(ValueError, match=r"device\n  Extra inputs are not permitted"):
        MiniLMEmbedding(model, device="cuda")
    with pytest.raises(TypeError, match="give model or model_name, not both: model_name='other'"):
        MiniLMEmbedding(model, model_name="other")
    with pytest.raises(ValueError, match="embed_batch_size"):
        MiniLMEmbedding(model, embed_batch_size=0)
