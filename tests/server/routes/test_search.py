"""minilm/server/routes/search.py: the search of documents over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from minilm import Documents, MiniLM
from minilm.documents.search import hit_fields
from minilm.server.app import create_app

pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory, model: MiniLM) -> Documents:
    folder = tmp_path_factory.mktemp("notes")
    (folder / "desk.md").write_text("# Desk\n\nPasswords are reset at the front desk.\n")
    (folder / "lunch.txt").write_text("The canteen opens at noon.\n")
    documents = Documents(folder / "n.lance", model)
    documents.update(folder)
    return documents


@pytest.fixture
def client(model: MiniLM, documents: Documents) -> Iterator[TestClient]:
    with TestClient(create_app(model, documents=documents)) as client:
        yield client


@pytest.mark.parametrize("options", [{}, {"k": 1}, {"where": "path LIKE '%.txt'"}, {"hybrid": True}])
def test_the_answer_is_that_of_the_class(client: TestClient, documents: Documents, options: Any) -> None:
    answer = client.post("/search", json={"query": "I forgot my password", **options})
    assert answer.status_code == 200, answer.text
    expected = [hit_fields(hit) for hit in documents.search("I forgot my password", **options)]
    assert answer.json() == json.loads(json.dumps({"query": "I forgot my password", "hits": expected}))


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"query": "a", "where": "path LIKE"}, "where", "is not understood"),
        ({"query": "a", "where": "piece = 0; piece = 1"}, "where", "is not understood"),
        ({"query": "a", "where": "CAST(heading AS INT) = 1"}, "where", "is not computable for every piece"),
        ({"query": "a", "k": 0}, "k", "k is 0: it must be a whole number of 1 or more"),
        ({"query": "a", "k": 101}, "k", "k is 101: it must be a whole number of at most 100"),
        ({"query": " \n"}, "query", "Please enter text to search for."),
        ({"query": "\ud800"}, "query", "lone surrogate"),
        ({"query": ["a"]}, "query", "query"),
        ({"query": "a", "top_k": 3}, "top_k", "top_k"),
        ({}, "query", "query"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    client: TestClient, body: dict[str, Any], param: str, message: str
) -> None:
    answer = client.post("/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["param"] == param
    assert message in error["message"]


def test_a_server_without_documents_has_no_search(model: MiniLM) -> None:
    with TestClient(create_app(model)) as client:
        assert client.post("/search", json={"query": "a"}).status_code == 404


@pytest.mark.parametrize("lost", ["", "pieces.lance", "pieces.lance/data", "pieces.lance/_versions"])
def test_a_table_that_is_lost_while_the_server_runs_is_said_in_words(
    model: MiniLM, documents: Documents, tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "n.lance"
    shutil.copytree(documents.db, place)
    with TestClient(create_app(model, documents=Documents(place, model))) as client:
        assert client.post("/search", json={"query": "a"}).status_code == 200
        shutil.rmtree(place / lost)
        answer = client.post("/search", json={"query": "a"})
    assert answer.status_code == 503
    message = "the documents cannot be searched now: their table is gone or damaged"
    code = "documents_unavailable"
    error = {"message": message, "type": "service_unavailable_error", "param": None, "code": code}
    assert answer.json() == {"error": error}
    assert "n.lance" in caplog.text  # the place is in the log only


def test_a_long_query_is_refused(client: TestClient, documents: Documents, tmp_path: Path) -> None:
    answer = client.post("/search", json={"query": "a" * 2_000_001})
    assert answer.status_code == 413
    assert not [*tmp_path.iterdir()]
    assert documents.db
