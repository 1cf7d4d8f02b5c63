"""The class: its context manager, its model, its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minilm import Documents, MiniLM

pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")


def test_a_model_that_was_loaded_here_is_let_go(tmp_path: Path, model: MiniLM) -> None:
    with Documents(tmp_path / "n.lance") as documents:
        loaded = documents.model
        assert documents.model is loaded
    assert documents.model is not loaded
    with Documents(tmp_path / "n.lance", model) as documents:
        assert documents.model is model
    assert documents.model is model


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.update("x", on_error="stop"), "on_error must be one of skip, raise, not 'stop'"),
        (lambda d: d.search("a", k=0), "k must be a positive whole number, not 0"),
        (lambda d: d.search("\ud800"), "query holds the lone surrogate"),
        (lambda d: Documents(d.db, tokens=0), "tokens must be a positive whole number, not 0"),
        (lambda d: Documents(d.db, d.model, tokens=300).update("x"), "tokens must lie in 3 to 256"),
        (lambda d: Documents(d.db, d.model, overlap=126).update("x"), "overlap must be below the 126 tokens"),
    ],
)
def test_arguments_that_cannot_be_are_refused(tmp_path: Path, model: MiniLM, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(Documents(tmp_path / "n.lance", model))
    assert not (tmp_path / "n.lance").exists()


def test_a_path_may_be_one_or_several(tmp_path: Path, model: MiniLM) -> None:
    (tmp_path / "a.txt").write_text("a")
    documents = Documents(tmp_path / "n.lance", model)
    assert documents.update(tmp_path / "a.txt").added == 1
    assert documents.update([str(tmp_path / "a.txt")]).unchanged == 1
    with pytest.raises(FileNotFoundError):
        documents.update(tmp_path / "b.txt")
    assert repr(documents) == f"Documents({str(tmp_path / 'n.lance')!r})"
