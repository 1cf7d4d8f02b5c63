"""minilm/integrations/bertopic.py in the real package: the topics that sentence-transformers gives."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

FRAMES = [
    *(
        "I thought about {} today.",
        "Tell me more about {}.",
        "What do you know about {}?",
        "A film about {}.",
    ),
    *("She wrote a long letter about {}.", "There was a question about {}.", "A friend asked me about {}."),
    *(
        "Nobody talks about {} any more.",
        "This book is about {}.",
        "We had a talk about {}.",
        "An essay on {}.",
    ),
    *("He forgot all about {}.", "Some facts about {}.", "The story of {}.", "My opinion on {}."),
    *("Here is a note on {}.", "Let us speak of {}.", "I read that {} matters.", "The news today: {}."),
]
SUBJECTS = [
    *(
        "bread",
        "soup",
        "rice",
        "cheese",
        "an onion",
        "Mars",
        "Saturn",
        "the comet",
        "the Moon",
        "a telescope",
    ),
    *("my password", "the login page", "my account", "the sign-in code", "my user name"),
]
DOCUMENTS = [frame.format(subject) for frame, subject in product(FRAMES, SUBJECTS)]  # 285

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def fitted(embedding_model: object) -> Any:
    """Topics by principal components, for BERTopic's default UMAP is not stable enough to compare with.

    Noise of 1e-7 on the embeddings of DOCUMENTS gave other topics in 10 tries of 10, 5 with each of the seeds
    0 and 42: mostly 14 or 15 of them, with other members. Two correct encoders differ by as much.
    """
    bertopic = pytest.importorskip("bertopic", reason="bertopic is not installed")
    from hdbscan import HDBSCAN
    from sklearn.decomposition import PCA

    topics = bertopic.BERTopic(
        embedding_model=embedding_model,
        umap_model=PCA(n_components=5, random_state=0),
        hdbscan_model=HDBSCAN(min_cluster_size=10),
    )
    return topics.fit(DOCUMENTS)


def test_topics_are_those_of_sentence_transformers(original: Any, tmp_path: Path) -> None:
    bertopic = pytest.importorskip("bertopic", reason="bertopic is not installed")
    from minilm.integrations.bertopic import BERTopicBackend

    ours, theirs = fitted(BERTopicBackend()), fitted(original)
    assert ours.topics_ == theirs.topics_
    assert len(set(ours.topics_)) > 2
    for topic, words in theirs.get_topics().items():
        assert [word for word, _ in ours.get_topic(topic)] == [word for word, _ in words]
    assert ours.find_topics("space travel", top_n=3)[0] == theirs.find_topics("space travel", top_n=3)[0]

    ours.save(tmp_path / "topics", serialization="safetensors")
    config = json.loads((tmp_path / "topics" / "config.json").read_text("utf-8"))
    assert config["embedding_model"] == "sentence-transformers/all-MiniLM-L6-v2"
    loaded = bertopic.BERTopic.load(str(tmp_path / "topics"), embedding_model=BERTopicBackend())
    assert loaded.find_topics("space travel", top_n=3)[0] == theirs.find_topics("space travel", top_n=3)[0]


def test_a_backend_embeds_with_its_options(model: MiniLM) -> None:
    pytest.importorskip("bertopic", reason="bertopic is not installed")
    from bertopic.backend import BaseEmbedder

    from minilm.integrations.bertopic import BERTopicBackend

    ours = BERTopicBackend(model, truncate_dim=8)
    assert isinstance(ours, BaseEmbedder)
    assert ours.embedding_model is model
    close(ours.embed_documents(TEXTS), model.encode(TEXTS)[:, :8])
    close(ours.embed_words([QUERY]), model.encode([QUERY])[:, :8])


def test_bertopic_refuses_a_bare_model(model: MiniLM, loaded: list[object]) -> None:
    """In the place of an object that it does not know, it would load a model of sentence-transformers."""
    bertopic = pytest.importorskip("bertopic", reason="bertopic is not installed")
    with pytest.raises((ValueError, ModuleNotFoundError), match=r"(?i)sentence_?transformers"):
        bertopic.BERTopic(embedding_model=model).fit(DOCUMENTS)
    assert loaded == []
