"""minilm/integrations/txtai.py in the real package: an index, saved and loaded, and one from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

METHOD = "minilm.integrations.txtai.TxtaiVectors"

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def assert_ranked(found: list[dict[str, Any]], model: MiniLM) -> None:
    """The texts in the order of their scores."""
    scores = model.similarity(QUERY, TEXTS[:3])[0]
    assert [hit["text"] for hit in found] == [TEXTS[i] for i in np.argsort(-scores)]
    # the index sums in another order
    np.testing.assert_allclose([hit["score"] for hit in found], np.sort(scores)[::-1], rtol=0, atol=1e-6)


def test_an_index_is_saved_and_loaded(model: MiniLM, tmp_path: Path) -> None:
    txtai = pytest.importorskip("txtai", reason="txtai is not installed")
    embeddings = txtai.Embeddings(method=METHOD, content=True)
    embeddings.index(TEXTS[:3])
    assert_ranked(embeddings.search(QUERY, 3), model)
    close(embeddings.batchtransform(TEXTS), model.encode(TEXTS))
    embeddings.save(str(tmp_path / "index"))
    loaded = txtai.Embeddings()
    loaded.load(str(tmp_path / "index"))
    assert_ranked(loaded.search(QUERY, 3), model)


def test_an_application_in_yaml(model: MiniLM) -> None:
    pytest.importorskip("txtai", reason="txtai is not installed")
    from txtai.app import Application

    application = Application(f"writable: true\nembeddings:\n  method: {METHOD}\n  content: true\n")
    application.add([{"id": str(i), "text": text} for i, text in enumerate(TEXTS[:3])])
    application.index()
    assert_ranked(application.search(QUERY, 3), model)


def test_the_settings_are_obeyed_or_refused(model: MiniLM, prompted: MiniLM) -> None:
    pytest.importorskip("txtai", reason="txtai is not installed")
    from minilm.integrations.txtai import TxtaiVectors

    path = str(model.checkpoint.directory)
    prompts = {"query": "query: ", "document": "passage: "}
    settings = {"path": path, "vectors": {"prompts": prompts}, "encodeargs": {"normalize_embeddings": True}}
    ours = TxtaiVectors(settings, None, None)
    close(ours.encode(TEXTS, "query"), prompted.encode_query(TEXTS))
    close(ours.encode(TEXTS, "data"), prompted.encode_document(TEXTS))
    close(ours.encode(TEXTS), model.encode(TEXTS))
    with pytest.raises(TypeError, match="truncate_dims"):
        TxtaiVectors({"path": path, "vectors": {"truncate_dims": 8}}, None, None)
