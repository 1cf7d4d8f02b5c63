"""minilm/integrations/lancedb.py in the real package: a column that embeds itself, and a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def registered() -> Any:
    """The class that the registry has for minilm."""
    pytest.importorskip("lancedb", reason="lancedb is not installed")
    from lancedb.embeddings import get_registry

    import minilm.integrations.lancedb  # noqa: F401 - it registers itself

    return get_registry().get("minilm")


def test_a_table_embeds_its_rows_and_is_opened_again(registered: Any, model: MiniLM, tmp_path: Path) -> None:
    import lancedb
    from lancedb.pydantic import LanceModel, Vector

    function = registered.create()

    class Note(LanceModel):  # type: ignore[misc]
        text: str = function.SourceField()
        vector: Vector(function.ndims()) = function.VectorField()  # type: ignore[valid-type]

    lancedb.connect(tmp_path).create_table("notes", schema=Note).add([{"text": text} for text in TEXTS[:3]])
    table = lancedb.connect(tmp_path).open_table("notes")
    close(table.to_arrow()["vector"].to_pylist(), model.encode(TEXTS[:3]))
    scores = model.similarity(QUERY, TEXTS[:3])[0]
    found = table.search(QUERY).metric("cosine").to_list()
    assert [hit["text"] for hit in found] == [TEXTS[i] for i in np.argsort(-scores)]
    # LanceDB's own float32 arithmetic in between
    np.testing.assert_allclose(
        [1 - hit["_distance"] for hit in found], np.sort(scores)[::-1], rtol=0, atol=1e-6
    )


def test_the_vectors_are_those_of_sentence_transformers(registered: Any, original: Any) -> None:
    theirs = original.encode(TEXTS, normalize_embeddings=True)  # as LanceDB's own function calls it
    # float32 sums in another order
    np.testing.assert_allclose(registered.create().generate_embeddings(TEXTS), theirs, rtol=0, atol=1e-6)


def test_queries_and_documents_have_their_prompts(
    registered: Any, prompted: MiniLM, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.integrations.lancedb.as_model", lambda _: prompted)
    function = registered.create()
    close(function.compute_query_embeddings(QUERY), model.encode(["query: " + QUERY]))
    close(function.compute_source_embeddings(TEXTS), model.encode(["passage: " + text for text in TEXTS]))


def test_an_unknown_option_is_an_error(registered: Any) -> None:
    with pytest.raises(ValueError, match=r"device\n  Extra inputs are not permitted"):
        registered.create(device="cuda")
