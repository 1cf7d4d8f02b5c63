"""Metadata: typed columns of the table, which conditions use and hits have."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from minilm import Documents, MiniLM
from minilm.cli.main import main
from minilm.documents.metadata import json_value
from minilm.errors import CorpusError
from tests.cli.running import failure
from tests.documents.killed import killed_update

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

ROWS = [
    {"text": "The canteen opens at noon.", "id": 1, "lang": "en", "year": 1999, "tags": ["food"]},
    {"text": "Die Kantine öffnet mittags.", "id": 2, "lang": "de", "year": 2004, "tags": []},
    {"text": "Lunch is at twelve.", "id": 3, "lang": None, "year": None, "tags": ["food", "time"]},
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_rows(name: str, rows: list[dict[str, Any]]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return name


def schema() -> dict[str, str]:
    return {field.name: str(field.type) for field in lancedb.connect("n.lance").open_table("pieces").schema}


def found(documents: Documents, where: str) -> set[str]:
    return {hit.path.rpartition("#")[2] for hit in documents.search("lunch", where=where)}


def test_metadata_are_typed_columns_that_conditions_use(model: MiniLM) -> None:
    documents = Documents("n.lance", model)
    documents.update(write_rows("t.jsonl", ROWS), id_column="id")
    assert {name: schema()[name] for name in ("lang", "year", "id", "tags")} == {
        "lang": "string",
        "year": "int64",
        "id": "int64",
        "tags": "list<item: string>",
    }
    assert found(documents, "lang = 'en'") == {"1"}
    assert found(documents, "year > 2000") == {"2"}
    assert found(documents, "lang IS NULL") == {"3"}
    assert found(documents, "array_has(tags, 'food') AND path LIKE 't.jsonl%'") == {"1", "3"}
    by_id = {hit.metadata["id"]: hit.metadata for hit in documents.search("lunch")}
    assert by_id == {
        row["id"]: {k: v for k, v in row.items() if k != "text" and v is not None} for row in ROWS
    }
    [hit] = documents.search("lunch", k=1, where="id = 2", hybrid=True)
    assert hit.metadata["year"] == 2004


def test_the_command_line_filters_and_prints_metadata(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows("t.jsonl", ROWS)
    assert main(["index", "t.jsonl", "--db", "n.lance", "--id", "id", "--keep", "lang,year"]) == 0
    capsys.readouterr()
    assert main(["search", "n.lance", "lunch", "--where", "lang = 'en'", "--json"]) == 0
    [hit] = json.loads(capsys.readouterr().out)["hits"]
    assert hit["metadata"] == {"lang": "en", "year": 1999}
    assert {"id", "tags"}.isdisjoint(schema())
    assert main(["index", "t.jsonl", "--db", "none.lance", "--no-keep"]) == 0
    assert {"lang", "year"}.isdisjoint(lancedb.connect("none.lance").open_table("pieces").schema.names)
    assert failure(capsys, "index", "t.jsonl", "--db", "a.lance", "--keep", "lang,nope") == (
        1,
        "no table has a column 'nope' to keep (--keep NAME,NAME)",
    )
    Path("a.md").write_text("A note.")
    code, said = failure(capsys, "index", "a.md", "--db", "a.lance", "--keep", "lang")
    assert (code, said[:27]) == (1, "--keep is for tables (.csv ")
    assert failure(capsys, "index", "a.md", "--db", "a.lance", "--keep", "a,")[1].startswith(
        "--keep has an empty"
    )


def test_the_types_of_parquet_stay_and_their_values_come_back(model: MiniLM) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    when = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
    columns = {
        "text": ["one", "two"],
        "when": pa.array([when, None], pa.timestamp("us", "UTC")),
        "small": pa.array([1, 2], pa.int8()),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), "t.parquet")
    documents = Documents("n.lance", model)
    documents.update("t.parquet")
    assert (schema()["when"], schema()["small"], schema()["kind"]) == (
        "timestamp[us, tz=UTC]",
        "int8",
        "string",
    )
    assert "nothing" not in schema()  # a column of nulls has no type yet
    [hit] = documents.search("one", where="when > timestamp '2024-01-01'")
    assert hit.metadata == {"when": when, "small": 1, "kind": "a"}
    assert json_value(hit.metadata)["when"] == "2024-05-06 07:08:09+00:00"


def test_a_later_update_adds_columns_and_keeps_types(model: MiniLM) -> None:
    documents = Documents("n.lance", model)
    Path("a.md").write_text("# Note\n\nA file has no metadata.\n")
    documents.update("a.md")
    documents.update(write_rows("t.jsonl", ROWS[:2]))
    assert {hit.path: hit.metadata.get("year") for hit in documents.search("lunch")} == {
        "a.md": None,
        "t.jsonl#1": 1999,
        "t.jsonl#2": 2004,
    }
    [note] = [hit for hit in documents.search("lunch") if hit.path == "a.md"]
    assert note.metadata == {}
    # a whole number as a fraction fits int64, and a new column comes
    documents.update(write_rows("u.jsonl", [{"text": "Tea at four.", "year": 2010.0, "room": "B"}]))
    assert (schema()["year"], schema()["room"]) == ("int64", "string")
    [tea] = documents.search("tea", where="room = 'B'")
    assert tea.metadata == {"year": 2010, "room": "B"}
    before = lancedb.connect("n.lance").open_table("pieces").version
    for value, kind in (("2010", "string"), (2010.5, "double"), ([1], "list<item: int64>")):
        write_rows("v.jsonl", [{"text": "Coffee.", "year": value}])
        message = rf"v.jsonl: its column 'year' .* n.lance has it as int64, and here it is {kind}"
        with pytest.raises(CorpusError, match=message.replace("<", r"\<")):
            documents.update("v.jsonl")
    assert lancedb.connect("n.lance").open_table("pieces").version == before


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_between_the_new_columns_and_the_pieces_changes_no_piece(model: MiniLM) -> None:
    documents = Documents("n.lance", model)
    documents.update(write_rows("t.jsonl", ROWS))
    before = documents.search("lunch")
    write_rows("u.jsonl", [{"text": "Tea at four.", "room": "B"}])
    killed_update("u.jsonl", "Spool", "read")
    assert schema()["room"] == "string"
    assert documents.search("lunch") == before
    assert documents.update("u.jsonl").added == 1
    assert found(documents, "room = 'B'") == {"1"}


def test_values_that_share_no_type_are_refused_by_name(model: MiniLM) -> None:
    write_rows("t.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "one"}])
    message = (
        r"t.jsonl: its column 'n' cannot be kept: it holds numbers and texts: rename it, or leave it out"
    )
    with pytest.raises(CorpusError, match=message):
        Documents("n.lance", model).update("t.jsonl")
    assert Documents("n.lance", model).update("t.jsonl", keep=()).added == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("path", "is called like a column of the pieces"),
        ("vector", "is called like a column of the pieces"),
        ("piece_id", "is called like a column of the pieces"),
        ("_distance", "is called like a column of LanceDB"),
        ("_rowid", "is called like a column of LanceDB"),
        ("a.b", "has a name that LanceDB does not take"),
        ("", "has a name that LanceDB does not take"),
    ],
)
def test_a_name_that_cannot_stand_beside_ours_is_refused(name: str, reason: str, model: MiniLM) -> None:
    write_rows("t.jsonl", [{"text": "a", name: "b", "lang": "en"}])
    documents = Documents("n.lance", model)
    with pytest.raises(CorpusError, match=rf"t.jsonl: its column '{name}' {reason}.*--keep NAME,NAME"):
        documents.update("t.jsonl")
    assert documents.update("t.jsonl", keep=["lang"]).added == 1
    if name:
        assert documents.update("t.jsonl", keep=["lang"], id_column=name).added == 1  # read, and not kept


def test_odd_names_are_columns_too(model: MiniLM) -> None:
    write_rows("t.jsonl", [{"text": "a", "Pub year": 1, "score": 2, "_id": "x", "é'": True, "select": 1.5}])
    documents = Documents("n.lance", model)
    documents.update("t.jsonl")
    [hit] = documents.search("a", where="`Pub year` = 1 AND score = 2 AND `select` > 1")
    assert hit.metadata == {"Pub year": 1, "score": 2, "_id": "x", "é'": True, "select": 1.5}
    assert hit.score < 1.01  # ours


def test_a_value_that_json_lacks_becomes_a_text_or_null() -> None:
    value = {"n": float("nan"), "b": b"a", "l": [1, float("inf")], 3: True}
    assert json_value(value) == {"n": None, "b": "b'a'", "l": [1, None], "3": True}


def test_keep_is_no_single_text(model: MiniLM) -> None:
    with pytest.raises(TypeError, match="keep must be a sequence of names, not the str 'lang'"):
        Documents("n.lance", model).update("t.csv", keep="lang")
