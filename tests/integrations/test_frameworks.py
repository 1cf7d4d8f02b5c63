"""minilm/integrations in the real frameworks: the same vectors, and what each asks of its own."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.parity.shared import shared_file

# what frameworks warn of while they are imported is their affair
pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["Simmer the onions.", "Reset your password here.", "The comet passed the sun.", ""]
QUERY = "I cannot log in"

# The same arithmetic; but under other than AVX-512 kernels a pack's make-up shows in the last digits.
BOUND = 3e-7


def close(mine: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(mine, np.float64), theirs, rtol=0, atol=BOUND)


@pytest.fixture(scope="module")
def prompted(model: MiniLM) -> MiniLM:
    """A model with other prompts for queries than for documents."""
    return MiniLM(model.checkpoint.directory, prompts={"query": "query: ", "document": "passage: "})


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
    assert abs(hit.score - float(model.similarity(QUERY, TEXTS[1])[0, 0])) < 1e-6


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


API_CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("name", API_CHECKS)
def test_scikit_learns_own_checks(name: str) -> None:
    """Those that feed no numbers: scikit-learn itself has no others for what takes text."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks", reason="scikit-learn is not installed")
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    check = getattr(checks, name, None) or getattr(checks, f"{name}s", None)
    if check is None:
        pytest.skip(f"this version of scikit-learn has no {name}")
    check("MiniLMVectorizer", MiniLMVectorizer())


def test_scikit_learn(model: MiniLM) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.validation import check_is_fitted

    from minilm.integrations.models import as_model
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    ours = MiniLMVectorizer()
    check_is_fitted(ours)
    close(ours.fit_transform(TEXTS), model.encode(TEXTS))
    close(clone(ours).transform(np.array(TEXTS)), model.encode(TEXTS))
    assert ours.get_feature_names_out()[-1] == "minilm383"
    short = MiniLMVectorizer(truncate_dim=16, normalize_embeddings=True, prompt="query: ")
    expected = model.encode(TEXTS, truncate_dim=16, normalize_embeddings=True, prompt="query: ")
    close(short.transform(TEXTS), expected)
    assert len(short.get_feature_names_out()) == 16
    assert len(pickle.dumps(make_pipeline(ours))) < 10_000  # parameters, not 87 MiB of weights
    close(pickle.loads(pickle.dumps(ours)).transform(TEXTS), model.encode(TEXTS))
    assert as_model(ours.model_name_or_path) is as_model(clone(ours).model_name_or_path)
    with pytest.raises(ValueError, match="not a single str"):
        ours.transform("one text")
    with pytest.raises(TypeError, match=r"inputs\[1\] is NoneType"):
        ours.transform(["a", None])  # type: ignore[list-item]

    pipeline = make_pipeline(MiniLMVectorizer(), LogisticRegression(C=10))
    texts, topics = [text for text, _ in CLASSIFIED], [topic for _, topic in CLASSIFIED]
    # 40 sentences, 4 topics; letters and word counts say little about them, so chance is a quarter
    assert cross_val_score(pipeline, texts, topics, cv=5).mean() > 0.85
    search = GridSearchCV(pipeline, {"minilmvectorizer__truncate_dim": [4, None]}, cv=5)
    search.fit(texts, topics)
    assert search.best_params_ == {"minilmvectorizer__truncate_dim": None}
    assert search.predict(["The goalkeeper saved a penalty"]).tolist() == ["sport"]


CLASSIFIED = [
    *(
        (text, "cooking")
        for text in (
            "Simmer the onions until they are soft.",
            "Add a pinch of salt to the dough.",
            "The bread comes out of the oven at noon.",
            "Whisk two eggs with a little milk.",
            "She sliced the carrots for the soup.",
            "Let the rice steam for ten minutes.",
            "A good stock needs bones and patience.",
            "He burnt the pancakes again.",
            "Grate some cheese over the pasta.",
            "The sauce tastes of garlic and lemon.",
        )
    ),
    *(
        (text, "astronomy")
        for text in (
            "The comet passed behind the sun.",
            "Saturn's rings are made of ice.",
            "A new telescope looks at distant galaxies.",
            "The Moon will be full on Friday.",
            "Mars has two small satellites.",
            "The star collapsed into a black hole.",
            "We watched the meteor shower all night.",
            "Jupiter is larger than all other planets.",
            "The eclipse lasted four minutes.",
            "Astronauts repaired the space station.",
        )
    ),
    *(
        (text, "sport")
        for text in (
            "The striker scored in the last minute.",
            "She won the marathon by a second.",
            "Their team lost the final on penalties.",
            "He trains at the pool every morning.",
            "The referee showed a red card.",
            "A serve like hers is hard to return.",
            "They play basketball on Thursdays.",
            "The champion defended her title.",
            "Our coach changed the defence at half-time.",
            "The cyclists climbed the pass in the rain.",
        )
    ),
    *(
        (text, "money")
        for text in (
            "The bank raised its interest rates.",
            "Shares fell after the report.",
            "He pays off his mortgage in spring.",
            "Inflation ate up their savings.",
            "The company doubled its dividend.",
            "She asked the accountant about taxes.",
            "An invoice is due in thirty days.",
            "The currency lost a tenth of its value.",
            "Investors sold bonds all week.",
            "Their budget leaves nothing for loans.",
        )
    ),
]


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
        embedder.run("text")
    with pytest.raises(TypeError, match="text must be a str, not list"):
        MiniLMTextEmbedder().run([QUERY])

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


def test_mteb_gives_the_published_figure(model: MiniLM) -> None:
    mteb = pytest.importorskip("mteb", reason="mteb is not installed; pip install '.[golden]' brings it")
    from datasets import Dataset, DatasetDict
    from mteb.models.models_protocols import EncoderProtocol

    from minilm.integrations.mteb import MiniLMEncoder

    path = shared_file("sts/sts-test.csv", "the STS Benchmark")
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    task = mteb.get_task("STSBenchmark")
    columns = {"sentence1": [r[5] for r in rows], "sentence2": [r[6] for r in rows]}
    scores = [float(r[4]) for r in rows]
    task.dataset = DatasetDict(test=Dataset.from_dict({**columns, "score": scores}))
    task.data_loaded = True
    ours = MiniLMEncoder(model)
    assert isinstance(ours, EncoderProtocol)
    results = mteb.evaluate(ours, [task], cache=None, show_progress_bar=False)
    figures = results[0].scores["test"][0]
    # five digits: two pairs of 1,379 that change places by rounding move the sixth
    assert round(figures["cosine_spearman"], 5) == 0.82032
    assert round(figures["cosine_pearson"], 5) == 0.82741


def test_a_table_of_any_kind_gets_its_vectors(model: MiniLM) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

    from minilm.integrations import clusters
    from minilm.integrations.clusters import Embedder

    expected = model.encode(TEXTS)
    embed = pickle.loads(pickle.dumps(Embedder()))
    assert len(pickle.dumps(embed)) < 1000  # its parameters, not the weights
    columns = {"id": np.arange(4), "text": np.array(TEXTS, object)}
    mapping = embed(columns)
    assert list(mapping) == ["id", "text", "embedding"]
    assert mapping["embedding"].dtype == np.float32
    close(mapping["embedding"], expected)
    frame = embed(pd.DataFrame(columns, index=[3, 1, 2, 0]))
    assert frame.index.tolist() == [3, 1, 2, 0]
    close(np.stack(frame["embedding"]), expected)
    table = embed(pa.table(columns))
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")
    close(table["embedding"].to_pylist(), expected)
    again = embed(table.set_column(2, "embedding", [["old"] * 4]))  # another one, as in the other kinds
    assert again.equals(table)
    other = Embedder(column="id", to="v", truncate_dim=8, normalize_embeddings=True, pooling="cls", threads=2)
    close(
        other({"id": TEXTS})["v"],
        model.encode(TEXTS, truncate_dim=8, normalize_embeddings=True, pooling="cls"),
    )
    nothing = embed({"text": []})
    assert nothing["embedding"].shape == (0, 384)
    with pytest.raises(ValueError, match="no column 'text' among id, words"):
        embed({"id": [1], "words": ["a"]})
    with pytest.raises(TypeError, match=r"inputs\[1\] is NoneType, not str"):
        embed(pa.table({"text": ["a", None]}))
    with pytest.raises(
        TypeError, match=r"a table must be a mapping of arrays, a pandas\.DataFrame or .*, not list"
    ):
        embed(["text"])
    loaded = clusters._loaded.cache_info().misses
    embed(columns)
    Embedder()(columns)
    assert clusters._loaded.cache_info().misses == loaded  # once a process


def test_threads_that_call_together_load_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from minilm.integrations import clusters

    loaded: list[str] = []

    def load(name: str, *, threads: int) -> object:
        time.sleep(0.05)  # so that all are there before the first is done
        loaded.append(f"{name} {threads}")
        return object()

    monkeypatch.setattr(clusters, "MiniLM", load)
    clusters._loaded.cache_clear()
    try:
        callers = [threading.Thread(target=clusters.Embedder, args=("a name",)) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        clusters._loaded.cache_clear()
    assert loaded == ["a name 1"]
