"""Metadata: typed columns of the table, which conditions use and hits have."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from minilm import Documents, MiniLM
from minilm.cli.main import main
from minilm.corpus.formats.columns import ArrowRow
from minilm.documents.metadata import MetadataColumns, json_value
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
    assert hit.metadata == {"when": "2024-05-06 07:08:09.000000Z", "small": 1, "kind": "a"}
    assert json_value(hit.metadata) == hit.metadata


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
    killed_update("u.jsonl", "update", "merge_pieces")
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
    value = {"n": float("nan"), "b": b"a", "l": [1, float("inf")], "t": True, "d": timedelta(seconds=5)}
    assert json_value(value) == {"n": None, "b": "b'a'", "l": [1, None], "t": True, "d": "0:00:05"}


def columns_of_all_kinds() -> dict[str, tuple[Any, Any]]:
    """Columns that are kept, each with what a search says of its first row."""
    view, binary = pa.string_view(), pa.binary_view()
    second = timedelta(seconds=1)
    flat: dict[str, tuple[Any, Any]] = {
        "bool": (pa.array([True, None]), True),
        "uint64": (pa.array([2**64 - 1, None], pa.uint64()), 2**64 - 1),
        "float16": (pa.array([1.5, None]).cast(pa.float16()), 1.5),
        "large_string": (pa.array(["a", None], pa.large_string()), "a"),
        "string_view": (pa.array(["a", None], view), "a"),
        "dictionary": (pa.array(["a", None]).dictionary_encode(), "a"),
        "binary": (pa.array([b"\xff", None]), b"\xff"),
        "binary_view": (pa.array([b"\xff", None], binary), b"\xff"),
        "fixed": (pa.array([b"ab", None], pa.binary(2)), b"ab"),
        "decimal128": (pa.array([Decimal("1.10"), None], pa.decimal128(5, 2)), "1.10"),
        "decimal256": (pa.array([Decimal("1.10"), None], pa.decimal256(50, 2)), "1.10"),
        "date32": (pa.array([3_700_000, None], pa.date32()), "12100-04-04"),  # Python's dates end in 9999
        "time64": (pa.array([1, None], pa.time64("ns")), "00:00:00.000000001"),
        "timestamp": (pa.array([1, None], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        "far": (pa.array([2**48, None], pa.timestamp("ms")), "10889-08-02 05:31:50.656"),
        "zone": (pa.array([0, None], pa.timestamp("ms", "Europe/Berlin")), "1970-01-01 01:00:00.000+0100"),
        "duration": (pa.array([10**9, None], pa.duration("ns")), second),
    }
    pair = pa.list_(pa.int32(), 2)
    more: dict[str, tuple[Any, Any]] = {  # pyarrow 23 reads no null of a fixed length
        "pair": (pa.array([[1, 2], [3, 4]], pair), [1, 2]),
        "pairs": (pa.array([[[1, 2]], [[3, 4]]], pa.list_(pair)), [[1, 2]]),
        "grid": (pa.array([[[1, 2]], [[3, 4]]], pa.list_(pair, 1)), [[1, 2]]),
        "no items": (pa.array([[], None], pa.list_(pa.null())), []),
        "uuid": (pa.array([b"0123456789abcdef", None], pa.uuid()), "30313233-3435-3637-3839-616263646566"),
        "json": (pa.array(['{"a": 1}', None], pa.json_()), '{"a": 1}'),
    }
    nested: dict[str, tuple[Any, Any]] = {}
    for name, (array, value) in flat.items():
        if name.endswith("view"):  # pyarrow does not write lists of them into Parquet
            continue
        offsets = pa.array([0, 1, 2], pa.int32())
        nested[f"list of {name}"] = (pa.ListArray.from_arrays(offsets, array), [value])
        large = pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), array)
        nested[f"large list of {name}"] = (large, [value])
        nested[f"struct of {name}"] = (pa.StructArray.from_arrays([array], ["a"]), {"a": value})
        both = pa.ListArray.from_arrays(offsets, nested[f"struct of {name}"][0])
        nested[f"list of structs of {name}"] = (both, [{"a": value}])
    return {**flat, **nested, **more}


def test_what_lancedb_stores_is_kept_to_the_last_digit(model: MiniLM) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    columns = columns_of_all_kinds()
    arrays = {name: array for name, (array, _) in columns.items()}
    pq.write_table(pa.table({"text": ["one", "two"], **arrays}), "t.parquet")
    documents = Documents("n.lance", model)
    assert documents.update("t.parquet").added == 2
    hits = {hit.path: hit.metadata for hit in documents.search("one")}
    expected = {name: value for name, (_, value) in columns.items()}
    assert hits["t.parquet#1"] == expected
    json.dumps(json_value(hits["t.parquet#1"]), allow_nan=False)
    assert hits["t.parquet#2"].keys() <= expected.keys()
    assert documents.update("t.parquet").unchanged == 2


def test_views_and_dictionaries_in_others_are_decoded() -> None:
    word = pa.dictionary(pa.int8(), pa.string())
    for inner, plain in (
        (pa.string_view(), pa.string()),
        (pa.binary_view(), pa.binary()),
        (word, pa.string()),
    ):
        one = pa.array(["a" if plain == pa.string() else b"a"], inner)
        pairs = [(one, plain), (pa.ListArray.from_arrays([0, 1], one), pa.list_(plain))]
        pairs.append((pa.StructArray.from_arrays([one], ["a"]), pa.struct([("a", plain)])))
        for array, kind in pairs:
            columns = MetadataColumns("n.lance", pa.schema([]))
            found = columns.table([ArrowRow(pa.record_batch({"x": array}), 0)], "t.parquet")
            assert found.schema.field("x").type == kind
            assert found["x"].to_pylist() == array.to_pylist()


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), "map<string, int32>"),
        (pa.array([Decimal("1.10")], pa.decimal32(5, 2)), "decimal32(5, 2)"),
        (pa.array([[Decimal("1.10")]], pa.list_(pa.decimal64(5, 2))), "decimal64(5, 2)"),
        (pa.array([{"a": [("k", 1)]}], pa.struct([("a", pa.map_(pa.string(), pa.int32()))])), "map<"),
        (pa.array([[1]], pa.list_view(pa.int32())), "list_view<item: int32>"),
        (pa.array([["a"]], pa.list_(pa.string(), 1)), "string"),
        (pa.array([[{"a": 1}]], pa.list_(pa.struct([("a", pa.int32())]), 1)), "struct<a: int32>"),
        (pa.array([[]], pa.list_(pa.int32(), 0)), "fixed_size_list<item: int32>[0]"),
        (pa.array([{}], pa.struct([])), "struct<>"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "month_day_nano_interval"),
        (pa.array([1], pa.opaque(pa.decimal32(5, 2), "a", "b").storage_type), "decimal32(5, 2)"),
    ],
)
def test_a_type_that_lancedb_does_not_store_is_refused_by_name(array: Any, kind: str) -> None:
    columns = MetadataColumns("n.lance", pa.schema([]))
    row = ArrowRow(pa.record_batch({"x": array}), 0)
    message = f"t.parquet: its column 'x' cannot be kept: LanceDB does not store {kind}"
    with pytest.raises(CorpusError, match=re.escape(message)):
        columns.table([row], "t.parquet")


def test_objects_with_a_field_of_nulls_are_refused_by_name(model: MiniLM) -> None:
    write_rows("t.jsonl", [{"text": "a", "x": {"y": {"z": None}}}, {"text": "b", "x": None}])
    with pytest.raises(CorpusError, match=r"its column 'x' cannot be kept: its type .* without a value"):
        Documents("n.lance", model).update("t.jsonl")
    write_rows("t.jsonl", [{"text": "a", "x": {"y": {"z": None}}}, {"text": "b", "x": {"y": {"z": 1}}}])
    assert Documents("n.lance", model).update("t.jsonl").added == 2


def invalid_text() -> Any:
    """Return texts that are not UTF-8."""
    return pa.array([b"good", b"\xff\xfe"]).view(pa.string())


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (
            pa.array([0, 2**62], pa.timestamp("ms")),
            "has no text for <value out of range: 4611686018427387904>",
        ),
        (pa.array([0, 2**62], pa.timestamp("us")), "has no text for <value out of range"),
        (pa.array([0, 2**62], pa.timestamp("us", "UTC")), "has no text for <value out of range"),
        (pa.array([0, 1], pa.timestamp("us", "Mars/Phobos")), "Mars/Phobos"),
        (pa.array([0, 2**62], pa.duration("s")), "would result in out of bounds"),
        (pa.array([0, 1], pa.duration("ns")), "would lose data: 1"),
        (pa.array([[0], [2**62]], pa.list_(pa.timestamp("ms"))), "has no text for <value out of range"),
        (invalid_text(), "can't decode byte 0xff"),
        (pa.ListArray.from_arrays([0, 1, 2], invalid_text()), "can't decode byte 0xff"),
    ],
)
def test_a_value_that_cannot_be_kept_is_an_error_of_one_line(
    array: Any, reason: str, capsys: pytest.CaptureFixture[str], model: MiniLM
) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    Documents("n.lance", model).update(write_rows("t.jsonl", ROWS))
    before = Documents("n.lance", model).search("lunch")
    version = lancedb.connect("n.lance").open_table("pieces").version
    pq.write_table(pa.table({"text": ["one", "two"], "x": array}), "bad.parquet")
    code, said = failure(capsys, "index", "bad.parquet", "--db", "n.lance")
    assert (code, said.startswith("bad.parquet: its column 'x' cannot be kept: ")) == (1, True)
    assert reason in said
    assert said.endswith("--keep NAME,NAME names the columns to keep, --no-keep keeps none")
    assert lancedb.connect("n.lance").open_table("pieces").version == version
    assert Documents("n.lance", model).search("lunch") == before
    assert main(["index", "bad.parquet", "--db", "n.lance", "--no-keep"]) == 0


def test_values_need_no_pandas(model: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setitem(sys.modules, "pandas", None)
    columns = {"at": pa.array([1], pa.timestamp("ns")), "took": pa.array([1000], pa.duration("ns"))}
    pq.write_table(pa.table({"text": ["one"], **columns}), "t.parquet")
    documents = Documents("n.lance", model)
    documents.update("t.parquet")
    [hit] = documents.search("one")
    expected = {"at": "1970-01-01 00:00:00.000000001", "took": timedelta(microseconds=1)}
    assert hit.metadata == expected


def test_keep_is_no_single_text(model: MiniLM) -> None:
    with pytest.raises(TypeError, match="keep must be a sequence of names, not the str 'lang'"):
        Documents("n.lance", model).update("t.csv", keep="lang")
