"""minilm/integrations/spacy.py in the real package, which finds it by its entry point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_documents_and_spans_have_the_vectors_of_encode(model: MiniLM) -> None:
    spacy = pytest.importorskip("spacy", reason="spacy is not installed")
    nlp = spacy.blank("en")
    nlp.add_pipe("minilm")
    doc = nlp(TEXTS[1])
    close(doc.vector, model.encode(TEXTS[1]))
    assert doc.has_vector
    # float32, summed in another order
    assert doc.vector_norm == pytest.approx(1, abs=1e-6)
    close(doc[:3].vector, model.encode("Reset your password"))
    close([doc.vector for doc in nlp.pipe(TEXTS, batch_size=3)], model.encode(TEXTS))


# spaCy warns of a similarity without word vectors, unless a component brings its own
@pytest.mark.filterwarnings("error:.*W007")
def test_similarity_is_that_of_the_model(model: MiniLM) -> None:
    spacy = pytest.importorskip("spacy", reason="spacy is not installed")
    nlp = spacy.blank("en")
    nlp.add_pipe("minilm")
    query, doc = nlp(QUERY), nlp(TEXTS[1])
    expected = [model.similarity(QUERY, text)[0, 0] for text in (TEXTS[1], "Reset your password")]
    found = [query.similarity(doc), query.similarity(doc[:3])]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # float32
    assert doc[:3].similarity(query) == pytest.approx(found[1], abs=1e-6)


def test_a_saved_pipeline_has_its_model(model: MiniLM, tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spacy is not installed")
    nlp = spacy.blank("en")
    nlp.add_pipe("minilm", config={"model": str(model.checkpoint.directory)})
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline")
    assert loaded.get_pipe("minilm").model == str(model.checkpoint.directory)
    close(loaded(QUERY).vector, model.encode(QUERY))
    with pytest.raises(ValueError, match="batchsize"):
        spacy.blank("en").add_pipe("minilm", config={"batchsize": 8})
