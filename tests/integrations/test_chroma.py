"""minilm/integrations/chroma.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
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
    found = reopened.query(query_texts=[QUERY], n_results=4)
    expected = 1 - model.similarity(QUERY, [*TEXTS[:3], "How to bake bread"])[0]
    assert found["ids"][0] == [list("abcd")[i] for i in np.argsort(expected)]
    # Chroma's own float32 arithmetic in between
    np.testing.assert_allclose(found["distances"][0], np.sort(expected), rtol=0, atol=1e-6)
