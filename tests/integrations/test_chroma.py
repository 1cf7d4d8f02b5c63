"""minilm/integrations/chroma.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from minilm import MiniLM, MiniLMError
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_chroma(model: MiniLM, prompted: MiniLM, tmp_path: Path) -> None:
    chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")
    from minilm.integrations.chroma import MiniLMEmbeddingFunction

    ours = MiniLMEmbeddingFunction()
    assert not ours.is_legacy()
    close(ours(TEXTS), model.encode(TEXTS))
    two_prompts = MiniLMEmbeddingFunction(prompted)
    close(two_prompts.embed_query([QUERY]), model.encode(["query: " + QUERY]))
    close(two_prompts([QUERY]), model.encode(["passage: " + QUERY]))
    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(tmp_path), settings)
    collection = client.create_collection("texts", embedding_function=ours)
    collection.add(ids=list("abc"), documents=TEXTS[:3])
    getattr(client, "close", lambda: None)()  # older clients have none
    # reopened without a word about the function; the vectors are those of encode, the distance the cosine's
    reopened = chromadb.PersistentClient(str(tmp_path), settings).get_collection("texts")
    close(reopened.get(include=["embeddings"])["embeddings"], model.encode(TEXTS[:3]))
    reopened.add(ids=["d"], documents=["How to bake bread"])
    found: Any = reopened.query(query_texts=[QUERY], n_results=4)
    expected = 1 - model.similarity(QUERY, [*TEXTS[:3], "How to bake bread"])[0]
    assert found["ids"][0] == [list("abcd")[i] for i in np.argsort(expected)]
    # Chroma's own float32 arithmetic in between
    np.testing.assert_allclose(found["distances"][0], np.sort(expected), rtol=0, atol=1e-6)


@pytest.fixture
def client(tmp_path: Path) -> Any:
    chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")
    return chromadb.PersistentClient(str(tmp_path), chromadb.Settings(anonymized_telemetry=False))


def test_a_collection_of_the_default_function_is_opened(client: Any, model: MiniLM, original: Any) -> None:
    from minilm.integrations.chroma import open_collection

    client.create_collection("defaults", metadata={"hnsw:space": "cosine"}).add(
        ids=list("abc"), embeddings=original.encode(TEXTS[:3]), documents=TEXTS[:3]
    )
    found: Any = open_collection(client, "defaults").query(query_texts=[QUERY], n_results=3)
    expected = 1 - model.similarity(QUERY, TEXTS[:3])[0]
    assert found["ids"][0] == [list("abc")[i] for i in np.argsort(expected)]
    # Chroma's own float32 arithmetic in between
    np.testing.assert_allclose(found["distances"][0], np.sort(expected), rtol=0, atol=1e-6)
    # its own function is stored as before
    assert client.get_collection("defaults").configuration_json["embedding_function"]["name"] == "default"
    client.delete_collection("defaults")


@pytest.mark.parametrize(
    ("function", "config", "message"),
    [
        ("sentence_transformer", {"model_name": "all-MiniLM-L6-v2"}, None),
        (
            "sentence_transformer",
            {"model_name": "all-mpnet-base-v2"},
            "made with 'all-mpnet-base-v2', not with",
        ),
        ("sentence_transformer", {"kwargs": {"truncate_dim": 8}}, "has options that minilm lacks"),
        ("openai", {}, "made with the embedding function 'openai': minilm can take the place of default and"),
    ],
)
def test_only_a_collection_of_the_same_model_is_opened(
    model: MiniLM, function: str, config: dict[str, Any], message: str | None
) -> None:
    pytest.importorskip("chromadb", reason="chromadb is not installed")
    from minilm.integrations.chroma import open_collection

    defaults = {
        "model_name": "all-MiniLM-L6-v2",
        "device": "cpu",
        "normalize_embeddings": False,
        "kwargs": {},
    }
    stored = {"embedding_function": {"type": "known", "name": function, "config": defaults | config}}

    class Client:
        """A client whose collection was made elsewhere: to make it here needs the packages that made it."""

        def get_collection(self, name: str, embedding_function: Any = None) -> Any:
            return SimpleNamespace(name=name, configuration_json=stored, function=embedding_function)

    if message is None:
        opened: Any = open_collection(cast(Any, Client()), "notes", model)
        assert opened.function.name() == function
        # sentence-transformers' function knows no prompts for queries and documents
        prompted = MiniLM(prompts={"query": "query: ", "document": "passage: "})
        opened = open_collection(cast(Any, Client()), "notes", prompted)
        close(opened.function([QUERY]), model.encode([QUERY]))
        close(opened.function.embed_query([QUERY]), model.encode([QUERY]))
    else:
        with pytest.raises(MiniLMError, match=message):
            open_collection(cast(Any, Client()), "notes", model)
