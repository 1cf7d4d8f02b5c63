"""The spool: what comes out is what went in, in the types of the table."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.documents.spool import Spool
from minilm.documents.table import OWN_COLUMNS, TableRecipe, schema_of
from minilm.errors import CorpusError

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


@pytest.fixture
def recipe(model: MiniLM) -> TableRecipe:
    return TableRecipe.of(model, 128, 0)


def rows(*names: str) -> list[dict[str, Any]]:
    empty = {name: 0 if kind == "number" else "" for name, kind in OWN_COLUMNS.items()}
    return [{**empty, "piece_id": name} for name in names]


def test_the_windows_come_back_by_one_schema(recipe: TableRecipe, tmp_path: Path) -> None:
    spool = Spool(tmp_path, schema_of(recipe, 2))
    vectors = np.arange(4, dtype=np.float32).reshape(2, 2)
    spool.add(rows("a", "b"), vectors, pa.table({"n": pa.array([1, 2], pa.int16()), "none": pa.nulls(2)}))
    spool.add(rows("c"), vectors[:1], pa.table({}))
    schema = schema_of(recipe, 2, [pa.field("n", pa.int64()), pa.field("later", pa.string())])
    found = spool.read(schema, "n.lance")
    assert found.schema.equals(schema)
    assert found["piece_id"].to_pylist() == ["a", "b", "c"]
    assert found["vector"].to_pylist() == [[0, 1], [2, 3], [0, 1]]
    assert found["n"].to_pylist() == [1, 2, None]
    assert found["later"].to_pylist() == [None] * 3


def test_a_type_that_does_not_fit_is_refused(recipe: TableRecipe, tmp_path: Path) -> None:
    spool = Spool(tmp_path, schema_of(recipe, 2))
    spool.add(rows("a"), np.zeros((1, 2), np.float32), pa.table({"n": [300]}))
    schema = schema_of(recipe, 2, [pa.field("n", pa.int8())])
    with pytest.raises(CorpusError, match=r"n.lance: its column 'n' .* has it as int8, and here it is int64"):
        spool.read(schema, "n.lance")


def test_windows_of_one_kind_share_a_file(recipe: TableRecipe, tmp_path: Path) -> None:
    """A million pieces are a thousand windows: with a file each, they would be a thousand memory maps."""
    vector = np.zeros((1, 2), np.float32)
    with Spool(tmp_path, schema_of(recipe, 2)) as spool:
        for window in range(9):
            spool.add(rows(str(window)), vector, pa.table({"n": [str(window)]} if window in (4, 5) else {}))
    assert len(list(tmp_path.iterdir())) == 3
    schema = schema_of(recipe, 2, [pa.field("n", pa.string())])
    found = spool.read(schema, "n.lance")
    assert found["piece_id"].to_pylist() == [str(window) for window in range(9)]
    assert found["n"].to_pylist() == [None] * 4 + ["4", "5"] + [None] * 3


def test_windows_of_one_kind_may_have_other_dictionaries(recipe: TableRecipe, tmp_path: Path) -> None:
    kind = pa.list_(pa.dictionary(pa.int8(), pa.string()))
    vector = np.zeros((1, 2), np.float32)
    with Spool(tmp_path, schema_of(recipe, 2)) as spool:
        for name in "ab":
            words = pa.array([name], pa.dictionary(pa.int8(), pa.string()))
            spool.add(rows(name), vector, pa.table({"w": pa.ListArray.from_arrays([0, 1], words)}))
    schema = schema_of(recipe, 2, [pa.field("w", kind)])
    assert spool.read(schema, "n.lance")["w"].to_pylist() == [["a"], ["b"]]


def test_a_spool_without_pieces_is_empty(recipe: TableRecipe, tmp_path: Path) -> None:
    schema = schema_of(recipe, 2)
    assert Spool(tmp_path, schema).read(schema, "n.lance").num_rows == 0


@pytest.mark.parametrize("length", range(1, 9))
def test_decimal_numbers_are_aligned_as_lancedb_needs_them(
    length: int, recipe: TableRecipe, tmp_path: Path
) -> None:
    """A stream aligns to 8 bytes only: whether that is enough depends on the lengths of the texts."""
    kinds = [pa.decimal128(5, 2), pa.decimal256(50, 2), pa.list_(pa.decimal128(5, 2))]
    kinds += [pa.struct([("a", pa.decimal128(5, 2))]), pa.list_(pa.decimal256(50, 2), 1)]
    value = Decimal("1.10")
    values = [{"a": value} if pa.types.is_struct(kind) else [value] for kind in kinds[2:]]
    columns = [pa.array([one], kind) for one, kind in zip([value, value, *values], kinds, strict=True)]
    metadata = pa.table(columns, names=[f"d{place}" for place in range(len(kinds))])
    with Spool(tmp_path, schema_of(recipe, 2)) as spool:
        spool.add(
            [{**row, "text": "a" * 8 * length} for row in rows("a")], np.zeros((1, 2), np.float32), metadata
        )
        found = spool.read(schema_of(recipe, 2, list(metadata.schema)), "n.lance")
    assert found.select(metadata.schema.names).to_pylist() == metadata.to_pylist()

    def addresses(array: Any) -> list[int]:
        if pa.types.is_decimal(array.type):
            return [array.buffers()[1].address]
        return addresses(array.field(0) if pa.types.is_struct(array.type) else array.values)

    for name in metadata.schema.names:
        for chunk in found[name].chunks:
            assert [address % 16 for address in addresses(chunk)] == [0]
