"""Values of every type, and what two of them in one column must become: the matrices of the referee.

What is right comes from pyarrow: the type of ``unify_schemas``, if every value survives the way there and
back; else the job must refuse the column by its name.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from tests.corpus.referee import Arrow, differs, holds, json_rows, same_json, vector_of, vectors_difference

MISSING = object()  # a JSON object without the key

NAN, INFINITY = float("nan"), float("inf")
DAY = dt.date(2024, 2, 29)


def arrow_values() -> dict[str, tuple[Arrow, Arrow]]:
    """Two arrays per type: plain values, which many types hold, and extreme ones. Both have a null."""
    import pyarrow as pa

    def make(kind: Arrow, plain: list[Any], extreme: list[Any]) -> tuple[Arrow, Arrow]:
        return pa.array([*plain, None], kind), pa.array([*extreme, None], kind)

    def raw(kind: Arrow, plain: list[int], extreme: list[int]) -> tuple[Arrow, Arrow]:
        size = pa.int32() if kind.bit_width == 32 else pa.int64()
        return tuple(pa.array([*v, None], size).cast(kind) for v in (plain, extreme))

    found = {}
    for bits in (8, 16, 32, 64):
        most = 2 ** (bits - 1) - 1
        found[f"int{bits}"] = make(getattr(pa, f"int{bits}")(), [1, -2], [most, -most - 1])
        found[f"uint{bits}"] = make(getattr(pa, f"uint{bits}")(), [1, 2], [2 * most + 1, 0])
    found["int64"] = make(pa.int64(), [1, -2], [2**53 + 1, 2**63 - 1, -(2**63)])
    floats = [NAN, INFINITY, -INFINITY, -0.0]
    found |= {
        "float16": make(pa.float16(), [1.5, -0.5], [65504.0, 2.0**-24, *floats]),
        "float32": make(pa.float32(), [1.5, -0.5], [3.4028234663852886e38, 2.0**-149, *floats]),
        "float64": make(pa.float64(), [1.5, -0.5], [1.7976931348623157e308, 5e-324, 0.1, *floats]),
        "decimal(5,2)": make(pa.decimal128(5, 2), [Decimal("1.50")], [Decimal("-999.99")]),
        "decimal(38,10)": make(pa.decimal128(38, 10), [Decimal("1.5")], [Decimal("9" * 28 + ".0000000001")]),
        "decimal256": make(pa.decimal256(60, 5), [Decimal("1.5")], [Decimal("9" * 55 + ".00001")]),
        "bool": make(pa.bool_(), [True], [True, False]),
        "date32": raw(pa.date32(), [19782], [2**31 - 1, -(2**31), -719529]),
        "date64": raw(pa.date64(), [19782 * 86_400_000], [10**8 * 86_400_000, -(10**8) * 86_400_000]),
        "time32[s]": raw(pa.time32("s"), [3600], [0, 86399]),
        "time32[ms]": raw(pa.time32("ms"), [3_600_000], [0, 86_399_999]),
        "time64[us]": raw(pa.time64("us"), [3_600_000_000], [1, 86_399_999_999]),
        "time64[ns]": raw(pa.time64("ns"), [3_600_000_000_000], [1, 86_399_999_999_999]),
    }
    for unit, second in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        # Parquet has no seconds: pyarrow writes them as milliseconds, which must fit too
        moment, largest = 1_700_000_000 * second + second // 2, 2**62 + 1 if second > 1 else 2**52 + 1
        found[f"timestamp[{unit}]"] = raw(pa.timestamp(unit), [moment], [largest, -moment - 1])
        found[f"timestamp[{unit}, UTC]"] = raw(pa.timestamp(unit, "UTC"), [moment], [largest, -1])
        found[f"duration[{unit}]"] = raw(pa.duration(unit), [second], [largest, -1])
    found["timestamp[us, Berlin]"] = raw(pa.timestamp("us", "Europe/Berlin"), [1], [2**50 + 1])
    texts, data = ["1", "é"], [b"1", b"\x00\xff"]
    found |= {
        "string": make(pa.string(), ["1"], [*texts, "", "\x00"]),
        "large_string": make(pa.large_string(), ["1"], texts),
        "string_view": make(pa.string_view(), ["1"], [*texts, "longer than twelve bytes"]),
        "binary": make(pa.binary(), [b"1"], data),
        "large_binary": make(pa.large_binary(), [b"1"], data),
        "binary(4)": make(pa.binary(4), [b"abcd"], [b"\x00\xff\x00\xff"]),
        "dictionary": (
            pa.array(["1", None]).dictionary_encode(),
            pa.array([*texts, None]).dictionary_encode(),
        ),
        "list<int64>": make(pa.list_(pa.int64()), [[1], []], [[2**53 + 1, None], [], [-1]]),
        "list<double>": make(pa.list_(pa.float64()), [[1.5], []], [[NAN, -0.0, None], []]),
        "large_list": make(pa.large_list(pa.int32()), [[1], []], [[2**31 - 1, None]]),
        "list[2]": make(pa.list_(pa.int64(), 2), [[1, 2]], [[2**53 + 1, None]]),
        "list<struct>": make(pa.list_(pa.struct([("a", pa.int64())])), [[{"a": 1}]], [[{"a": None}, None]]),
        "struct<a>": make(pa.struct([("a", pa.int64())]), [{"a": 1}], [{"a": 2**53 + 1}, {"a": None}]),
        "struct<a, b>": make(
            pa.struct([("a", pa.float64()), ("b", pa.time64("ns"))]),
            [{"a": 1.5, "b": None}],
            [{"a": -0.5, "b": dt.time(1, 2, 3, 4)}, {"a": None, "b": None}],
        ),
        "map": make(pa.map_(pa.string(), pa.int64()), [[("a", 1)]], [[("a", 2**53 + 1), ("b", None)], []]),
        "null": (pa.nulls(2), pa.nulls(3)),
    }
    return found


class Merged(NamedTuple):
    """What two columns of different types must become in one output."""

    kind: Arrow | None  # None: they must be refused, or kept so that each value comes back
    parts: tuple[Arrow, Arrow]
    is_widening: bool = True  # whether pyarrow has a type for both, which may not hold these values

    def difference(self, column: Arrow) -> str:
        """What is wrong with this column of the output; empty if nothing is."""
        if self.kind is not None and column.type != self.kind:
            return f"it is {column.type}, not {self.kind}"
        first, second = (array.type for array in self.parts)
        if self.kind is None and column.type not in (first, second, common_type(first, second, decoded=True)):
            return f"it became {column.type}, which pyarrow does not make of {first} and {second}"
        rows = len(self.parts[0])
        found = (column.slice(0, rows), column.slice(rows))
        for mine, theirs in zip(found, self.parts, strict=True):
            if not comes_back(mine, theirs):
                return f"the values of {theirs.type} do not come back from {column.type}"
        return ""


def comes_back(mine: Arrow, theirs: Arrow) -> bool:
    """Whether a cast, which must be safe, gives the values back as they were."""
    import pyarrow as pa

    mine = mine.combine_chunks() if isinstance(mine, pa.ChunkedArray) else mine
    if theirs.null_count == len(theirs):
        return bool(mine.null_count == len(mine))
    is_text = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view
    if any(test(mine.type) for test in is_text) and not any(
        test(theirs.type) or pa.types.is_dictionary(theirs.type) for test in is_text
    ):
        return False  # a number does come back from its digits, and is not a number any more
    try:
        if pa.types.is_dictionary(theirs.type):
            return not differs(mine.cast(theirs.type.value_type), theirs.dictionary_decode())
        return not differs(mine.cast(theirs.type, safe=True), theirs)
    except pa.ArrowNotImplementedError:  # no cast to binary(4) or a fixed list
        return bool(mine.to_pylist() == theirs.to_pylist())
    except pa.ArrowInvalid:
        return False


def merged(first: Arrow, second: Arrow) -> Merged:
    """What these columns must become, as pyarrow merges them."""
    import pyarrow as pa

    kind = common_type(first.type, second.type)
    if kind is None:
        return Merged(None, (first, second), is_widening=False)
    try:
        parts = [array.cast(kind, safe=True) for array in (first, second)]
    except pa.ArrowException:
        return Merged(None, (first, second))
    is_safe = all(map(comes_back, parts, (first, second)))
    return Merged(kind if is_safe else None, (first, second))


def common_type(first: Arrow, second: Arrow, *, decoded: bool = False) -> Arrow | None:
    """The type that pyarrow makes of two; None if it makes none. A decimal is no binary fraction."""
    import pyarrow as pa

    kinds = [first, second]
    if decoded:
        kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    if any(map(pa.types.is_decimal, kinds)) and any(map(pa.types.is_floating, kinds)):
        return None
    try:
        schemas = [pa.schema([("v", kind)]) for kind in kinds]
        return pa.unify_schemas(schemas, promote_options="permissive").field("v").type
    except pa.ArrowException:
        return None


def write_parquet(path: Path, values: Arrow) -> tuple[list[str], Arrow]:
    """Write a file of texts and this column ``v``; return both as pyarrow reads them again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"{path.stem} {row}" for row in range(len(values))]
    pq.write_table(pa.table({"text": texts, "v": values}), path)
    return texts, pq.ParquetFile(path).read()["v"].combine_chunks()


# Kinds of JSON values, as they meet in one column.
JSON_KINDS: dict[str, Any] = {
    "int": 10,
    "negative": -3,
    "2**53+1": 2**53 + 1,
    "2**63": 2**63,
    "10**30": 10**30,
    "9.99": 9.99,
    "-0.5": -0.5,
    "1.0": 1.0,
    "1e300": 1e300,
    "string": "a",
    "digits": "10",
    "date": "2024-01-31",
    "true": True,
    "null": None,
    "missing": MISSING,
    "[]": [],
    "[1]": [1],
    "[1.5]": [1.5],
    "['a']": ["a"],
    "[null]": [None],
    "[[1]]": [[1]],
    "{}": {},
    "{a: 1}": {"a": 1},
    "{a: 1.5}": {"a": 1.5},
    "{a, b}": {"a": 1, "b": 2},
    "{c: []}": {"c": []},
    "{a: {x}}": {"a": {"x": 1}},
    "{a: {x, y}}": {"a": {"x": 1, "y": 2}},
    "[{a}]": [{"a": 1}],
    "[{a, b}]": [{"a": 1.5, "b": "s"}],
}


def joins(first: Any, second: Any) -> bool:
    """Whether one column of Parquet must hold both values: numbers widen, keys and nulls come and go."""
    if first is MISSING or second is MISSING or first is None or second is None:
        return all(value is MISSING or value is None or is_typed(value) for value in (first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        keys = first.keys() | second.keys()
        return bool(keys) and all(joins(first.get(key), second.get(key)) for key in keys)
    if isinstance(first, list) and isinstance(second, list):
        return all(joins(a, b) for a, b in product(first or [None], second or [None]))
    numbers = [v for v in (first, second) if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == 2:
        are_ints = all(isinstance(number, int) for number in numbers)
        return all(abs(v) < 2**63 if are_ints else isinstance(v, float) or abs(v) <= 2**53 for v in numbers)
    return type(first) is type(second)


def is_typed(value: Any) -> bool:
    """Whether a column with nothing but this value can be written as Parquet."""
    if isinstance(value, dict):
        return bool(value) and all(map(is_typed, value.values()))
    if isinstance(value, list):
        return all(map(is_typed, value))
    return not isinstance(value, int) or abs(value) < 2**63


def write_jsonl(path: Path, first: Any, second: Any, repeats: int = 1) -> list[dict[str, Any]]:
    """Write rows whose key ``v`` has the first value, so many times, and in the last row the second."""
    rows: list[dict[str, Any]] = [
        {"text": f"row {i}"} | ({} if value is MISSING else {"v": value})
        for i, value in enumerate([first] * repeats + [second])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def table_difference(path: Path, rows: list[dict[str, Any]], column: str = "text") -> str:
    """What is wrong with a Parquet output of rows of JSON; empty if nothing is."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    mine = [{k: v for k, v in row.items() if k != "embedding"} for row in table.to_pylist()]
    if len(mine) != len(rows):
        return f"{len(mine)} rows, not {len(rows)}"
    for found, row in zip(mine, rows, strict=True):
        if not holds(found, row):
            return f"{row!r:.100} became {found!r:.100}"
    if difference := vectors_difference(table["embedding"].to_pylist(), [row[column] for row in rows]):
        return difference
    return ""


def readers_difference(path: Path) -> str:
    """What polars and duckdb read of a Parquet output otherwise than pyarrow does; empty if nothing."""
    import duckdb
    import polars as pl
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(path).names if name != "embedding"]
    arrow = pq.ParquetFile(path).read(names).to_pylist()
    relation = duckdb.connect().from_parquet(str(path))
    rows = relation.project(", ".join(f'"{name}"' for name in names)).fetchall()
    others = {
        "polars": pl.read_parquet(path, columns=names).to_dicts(),
        "duckdb": [dict(zip(names, row, strict=True)) for row in rows],
    }
    # the text of a value tells 1 from 1.0
    wrong = [reader for reader, found in others.items() if [*map(repr, found)] != [*map(repr, arrow)]]
    return f"{' and '.join(wrong)} read something else than pyarrow" if wrong else ""


def lines_difference(
    path: Path, rows: list[dict[str, Any]], column: str = "text", *, optional: bool = False
) -> str:
    """What is wrong with a JSON Lines output of rows of JSON; empty if nothing is.

    With ``optional``, a key may be missing instead of null.
    """
    try:
        mine = json_rows(path)
    except ValueError as error:
        return f"not strict JSON: {error}"
    expected = [{**row, "embedding": vector_of(row[column]).tolist()} for row in rows]
    if len(mine) != len(rows):
        return f"{len(mine)} rows, not {len(rows)}"
    if optional:
        mine = [dict.fromkeys(row) | found for found, row in zip(mine, expected, strict=True)]
    wrong = [(m, e) for m, e in zip(mine, expected, strict=True) if not same_json(m, e)]
    return f"{wrong[0][1]!r:.150} became {wrong[0][0]!r:.150}" if wrong else ""
