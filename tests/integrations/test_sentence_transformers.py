"""minilm in the place of sentence-transformers, in packages written for it. Each has a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import TEXTS, close
from tests.integrations.unchanged import INSTALL, UNCHANGED, WITHOUT_TORCH, Unchanged, run

NOTE = "Reset your password here if you cannot log in to your account."


def skip_without(package: str) -> None:
    """Skip a test whose package is not installed; to import it here would import sentence-transformers."""
    try:
        distribution(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("one", UNCHANGED, ids=lambda one: one.package)
def test_a_package_embeds_with_minilm(one: Unchanged, model: MiniLM) -> None:
    skip_without(one.package)
    if one.needs_torch:
        skip_without("torch")
    close(run(one.program, "" if one.needs_torch else WITHOUT_TORCH), model.encode(TEXTS))


def test_a_pool_of_langchain_is_this_process(model: MiniLM) -> None:
    skip_without("langchain-huggingface")
    vectors = run(
        "from langchain_huggingface import HuggingFaceEmbeddings\n"
        "model = HuggingFaceEmbeddings(\n"
        "    model_name=NAME, model_kwargs={'device': 'cpu'}, multi_process=True)\n"
        "print(json.dumps(model.embed_documents(TEXTS)))"
    )
    close(vectors, model.encode(TEXTS))


def test_keybert_extracts_keywords(model: MiniLM) -> None:
    skip_without("keybert")
    keywords = run(
        "from keybert import KeyBERT\n"
        "print(json.dumps(KeyBERT(NAME).extract_keywords(NOTE, stop_words='english', top_n=3)))",
        NOTE=NOTE,
    )
    words = ["password", "reset", "account", "log"]
    scores = model.encode(words) @ model.encode(NOTE)
    expected = sorted(zip(words, scores.tolist(), strict=True), key=lambda pair: -pair[1])[:3]
    assert [word for word, _ in keywords] == [word for word, _ in expected]
    # KeyBERT rounds to four digits
    np.testing.assert_allclose([s for _, s in keywords], [s for _, s in expected], rtol=0, atol=5.1e-5)


def test_old_and_new_places_hold_the_same_classes() -> None:
    places = run(
        "import sentence_transformers as st\n"
        "from sentence_transformers.SentenceTransformer import SentenceTransformer as old\n"
        "from sentence_transformers.sentence_transformer import SentenceTransformer as new\n"
        "from sentence_transformers.cross_encoder import CrossEncoder\n"
        "from sentence_transformers.util.similarity import cos_sim\n"
        "from sentence_transformers import SimilarityFunction, quantize_embeddings, util\n"
        "import minilm\n"
        "print(json.dumps([old is new is st.SentenceTransformer, CrossEncoder is st.CrossEncoder,\n"
        "    cos_sim is util.cos_sim, issubclass(old, minilm.MiniLM), str(old), st.__version__]))"
    )
    assert places[:4] == [True] * 4
    assert places[4].startswith("<class 'sentence_transformers.SentenceTransformer'")
    assert places[5] == "6.2.0"


def test_without_torch_similarity_returns_arrays(model: MiniLM) -> None:
    score = run(
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(NAME)\n"
        "scores = model.similarity(*model.encode(TEXTS[:2]))\n"
        "print(json.dumps([type(scores).__module__, scores.item()]))"
    )
    first, second = model.encode(TEXTS[:2])
    assert score[0] == "numpy"
    assert score[1] == pytest.approx(float(first @ second), abs=1e-6)  # float32


def test_with_torch_similarity_returns_tensors(model: MiniLM) -> None:
    skip_without("torch")
    score = run(
        "from sentence_transformers import SentenceTransformer, util\n"
        "model = SentenceTransformer(NAME)\n"
        "a, b = model.encode(TEXTS[:2])\n"
        "scores = [model.similarity(a, b), util.cos_sim(a, b)]\n"
        "print(json.dumps([[type(s).__module__, s.item()] for s in scores]))",
        before="",
    )
    first, second = model.encode(TEXTS[:2])
    assert score == [["torch", pytest.approx(float(first @ second), abs=1e-6)]] * 2  # float32


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from sentence_transformers import SentenceTransformerTrainer", "cannot import name"),
        ("import sentence_transformers.losses", "No module named 'sentence_transformers.losses'"),
    ],
)
def test_what_minilm_lacks_cannot_be_imported(statement: str, message: str) -> None:
    error = run(f"try:\n    {statement}\nexcept ImportError as error:\n    print(json.dumps(str(error)))")
    assert message in error


@pytest.mark.parametrize(
    ("package", "statement", "message"),
    [
        (
            "bertopic",
            "from bertopic.backend._utils import select_backend; select_backend(None, language='english')",
            "No module named 'sentence_transformers.models'",
        ),
        (
            "chonkie",
            "from chonkie import SemanticChunker; SemanticChunker(NAME, chunk_size=64)(TEXTS[1])",
            "Token count must be a non-negative integer",
        ),
    ],
)
def test_a_package_that_needs_more_says_so(package: str, statement: str, message: str) -> None:
    """It neither loads another model nor goes on with other numbers."""
    skip_without(package)
    error = run(f"try:\n    {statement}\nexcept Exception as error:\n    print(json.dumps(str(error)))")
    assert message in error


def test_the_original_must_not_be_imported_before() -> None:
    program = "import sys, types; sys.modules['sentence_transformers'] = types.ModuleType('x')\n" + INSTALL
    finished = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "MiniLMError: sentence_transformers is imported already: call install() before" in finished.stderr
