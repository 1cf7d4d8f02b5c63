"""Strict comparisons for what a job wrote, by pyarrow and json alone, and an encoder that costs nothing.

The comparisons share no code with minilm. A vector of the stand-in is a hash of its text, so that it also
shows whether each row has the vector of its own text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm._arrays import Float32Array
from minilm._pipeline import Counts

Arrow = Any  # an array, a table or a type of pyarrow

WIDTH = 8  # components of a vector of the stand-in


def vector_of(text: str) -> Float32Array:
    """The vector of the stand-in for a text, shape (WIDTH,). float16 holds it exactly, too."""
    digest = hashlib.blake2b(text.encode(), digest_size=WIDTH).digest()
    return np.frombuffer(digest, np.int8).astype(np.float32) / np.float32(128)


def hashed_run(
    self: object,  # noqa: ARG001 - stands in for Pipeline.run
    inputs: Iterable[str],
    finish: object,  # noqa: ARG001
    *,
    counts: Counts,
    **options: Any,  # noqa: ARG001
) -> Iterator[tuple[None, list[Float32Array]]]:
    """What :meth:`minilm._pipeline.Pipeline.run` yields, with :func:`vector_of` for the encoder."""
    texts = list(inputs)
    counts.texts += len(texts)
    yield None, [vector_of(text) for text in texts]


def strict_json(line: str | bytes, **options: Any) -> Any:
    """The value of a JSON text as RFC 8259 has it: no NaN, no Infinity, no name with two values."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if twice := [name for name, item in pairs if not same_json(item, value[name])]:
            raise ValueError(f"{twice[0]!r} has two values")
        return value

    text = line.decode() if isinstance(line, bytes) else line
    return json.loads(text, parse_constant=refuse, object_pairs_hook=unique, **options)


def same_json(mine: Any, theirs: Any) -> bool:
    """Whether two values of JSON are the same in type and value: 1 is not 1.0, and 0.0 is not -0.0."""
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, dict):
        return mine.keys() == theirs.keys() and all(same_json(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list):
        return len(mine) == len(theirs) and all(map(same_json, mine, theirs))
    return repr(mine) == repr(theirs)


def holds(column: Any, value: Any) -> bool:
    """Whether a typed column's value is that of JSON. A key may be null for absent, 1.0 may be 1."""
    if isinstance(value, dict):
        if not isinstance(column, dict) or not value.keys() <= column.keys():
            return False
        return all(holds(item, value.get(key)) for key, item in column.items())
    if isinstance(value, list):
        return isinstance(column, list) and len(column) == len(value) and all(map(holds, column, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_number = isinstance(column, int | float | Decimal) and not isinstance(column, bool)
        return is_number and column == value and str(column)[:1] == str(value)[:1]
    return type(column) is type(value) and bool(column == value)


def differs(mine: Arrow, theirs: Arrow, *, nan_is_null: bool = False) -> bool:
    """Whether two Arrow arrays differ in type, length, nulls or one bit of a value; any NaN equals any.

    With ``nan_is_null``, NaN equals null as well: pandas and polars write so what JSON does not have.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    differ = partial(differs, nan_is_null=nan_is_null)

    mine, theirs = (a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in (mine, theirs))
    kind, is_kind = theirs.type, pa.types
    if nan_is_null and is_kind.is_floating(kind) and mine.type == kind:
        null = pa.scalar(None, kind)
        mine, theirs = (pc.if_else(pc.is_nan(array), null, array) for array in (mine, theirs))
    if mine.type != kind or not mine.is_valid().equals(theirs.is_valid()):
        return True
    if is_kind.is_string_view(kind):  # which cannot be filtered
        mine, theirs = mine.cast(pa.large_string()), theirs.cast(pa.large_string())
    mine, theirs = mine.drop_null(), theirs.drop_null()
    if isinstance(kind, pa.BaseExtensionType):
        return differ(mine.storage, theirs.storage)
    if is_kind.is_dictionary(kind):
        return differ(mine.dictionary_decode(), theirs.dictionary_decode())
    if is_kind.is_floating(kind):
        return not np.array_equal(_bits(mine), _bits(theirs))
    if is_kind.is_struct(kind):
        return any(map(differ, mine.flatten(), theirs.flatten()))
    if is_kind.is_map(kind):
        pairs = pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))
        return differ(mine.cast(pairs), theirs.cast(pairs))
    if _is_list(kind):
        lengths = not mine.value_lengths().equals(theirs.value_lengths())
        return lengths or differ(mine.flatten(), theirs.flatten())
    return not mine.equals(theirs)


def _is_list(kind: Arrow) -> bool:
    import pyarrow as pa

    return any(getattr(pa.types, f"is_{test}")(kind) for test in ("list", "large_list", "fixed_size_list"))


def _bits(array: Arrow) -> np.ndarray[Any, Any]:
    values = array.to_numpy(zero_copy_only=False)
    canonical = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return canonical.view(f"u{values.dtype.itemsize}")


def from_json(values: list[Any], kind: Arrow) -> Arrow:
    """The Arrow array that values of JSON stand for, of this type; ValueError or TypeError if they cannot.

    Decimals are numbers or strings, bytes are base64, times as ISO 8601 has them, maps lists of pairs.
    Numbers come parsed as int and Decimal.
    """
    import pyarrow as pa

    is_kind = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, from_json(values, kind.storage_type))
    if is_kind.is_dictionary(kind):
        return from_json(values, kind.value_type).dictionary_encode().cast(kind)
    if is_kind.is_struct(kind):
        return _struct(values, kind)
    if is_kind.is_map(kind):
        return _map(values, kind)
    if _is_list(kind):
        _require(values, list)
        items = from_json([item for value in values for item in value or []], kind.value_type)
        return _grouped([None if value is None else len(value) for value in values], items, kind)
    return pa.array([None if value is None else _leaf(value, kind) for value in values], kind)


def _require(values: list[Any], *types: type) -> None:
    if wrong := [value for value in values if value is not None and type(value) not in types]:
        raise TypeError(f"{wrong[0]!r} is not {' or '.join(t.__name__ for t in types)}")


def _struct(values: list[Any], kind: Arrow) -> Arrow:
    import pyarrow as pa

    _require(values, dict)
    fields = [kind.field(i) for i in range(kind.num_fields)]
    for value in values:
        if value is not None and value.keys() != {field.name for field in fields}:
            raise ValueError(f"the fields are {list(value)}")
    columns = [from_json([v and v[field.name] for v in values], field.type) for field in fields]
    fields = [field.with_nullable(True) for field in fields]
    mask = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(columns, fields=fields, mask=mask).cast(kind)


def _map(values: list[Any], kind: Arrow) -> Arrow:
    _require(values, list, dict)
    pairs = [[*value.items()] if isinstance(value, dict) else value for value in values]
    pairs = [value and [(*p.values(),) if isinstance(p, dict) else (*p,) for p in value] for value in pairs]
    keys = from_json([pair[0] for value in pairs for pair in value or []], kind.key_type)
    items = from_json([pair[1] for value in pairs for pair in value or []], kind.item_type)
    return _grouped([None if value is None else len(value) for value in pairs], (keys, items), kind)


def _grouped(lengths: list[int | None], items: Any, kind: Arrow) -> Arrow:
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum([length or 0 for length in lengths])]).tolist()
    starts = [None if length is None else start for length, start in zip(lengths, offsets, strict=False)]
    if pa.types.is_fixed_size_list(kind):
        if any(length not in (None, kind.list_size) for length in lengths):
            raise ValueError("a list of another length")
        places = [None if start is None else range(start, start + kind.list_size) for start in starts]
        flat = [p for place in places for p in ([None] * kind.list_size if place is None else place)]
        mask = pa.array([length is None for length in lengths], pa.bool_())
        taken = items.take(pa.array(flat, pa.int64()))
        return pa.FixedSizeListArray.from_arrays(taken, type=kind, mask=mask)
    if pa.types.is_map(kind):
        return pa.MapArray.from_arrays(pa.array([*starts, offsets[-1]], pa.int32()), *items).cast(kind)
    large = pa.types.is_large_list(kind)
    make, size = (pa.LargeListArray, pa.int64()) if large else (pa.ListArray, pa.int32())
    return make.from_arrays(pa.array([*starts, offsets[-1]], size), items).cast(kind)


def _leaf(value: Any, kind: Arrow) -> Any:
    """The value of one scalar of JSON, in a form that pyarrow takes for this type without rounding."""
    import pyarrow as pa

    is_kind = pa.types
    if is_kind.is_integer(kind):
        _require([value], int)
    elif is_kind.is_floating(kind):
        _require([value], int, Decimal, str)
        return np.dtype(kind.to_pandas_dtype()).type(float(value))
    elif is_kind.is_decimal(kind):
        _require([value], int, Decimal, str)
        return Decimal(value)
    elif is_kind.is_boolean(kind):
        _require([value], bool)
    elif is_kind.is_duration(kind):
        _require([value], int)
        return pa.scalar(value, pa.int64()).cast(kind)
    else:
        _require([value], str)
        if is_kind.is_time(kind):
            hours, minutes, seconds = value.split(":")
            ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
            time = (int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds)) * ticks
            if time != int(time):
                raise ValueError(f"{value} is no whole number of {kind.unit}")
            return pa.scalar(int(time), pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)
        if is_kind.is_temporal(kind):
            with suppress(pa.ArrowInvalid):  # beyond the year 9999 Arrow reads none, and numpy does
                return pa.scalar(value).cast(kind)
            unit: Any = getattr(kind, "unit", "D" if is_kind.is_date32(kind) else "ms")
            moment = np.datetime64(value.removesuffix("Z").removesuffix("+00:00"), unit)
            return pa.scalar(int(moment.astype(np.int64)), pa.int64()).cast(kind)
        if kind not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
            return base64.b64decode(value, validate=True)
    return value


def parquet_difference(path: Path, column: str, texts: list[str], others: dict[str, Arrow]) -> str:
    """What is wrong with a Parquet output that should have these texts and columns; empty if nothing is."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    if table.column_names != [column, *others, "embedding"]:
        return f"the columns are {table.column_names}, not {[column, *others, 'embedding']}"
    if len(table) != len(texts):
        return f"{len(table)} rows, not {len(texts)}"
    if table[column].to_pylist() != texts:
        return "the texts differ"
    for name, values in others.items():
        if table[name].type != values.type:
            return f"column {name!r} is {table[name].type}, not {values.type}"
        if differs(table[name], values):
            return f"column {name!r} has other values"
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, WIDTH)
    return vectors_difference(vectors, texts)


def vectors_difference(vectors: Any, texts: list[str]) -> str:
    """What is wrong with the vectors of these texts; empty if nothing is."""
    expected = np.array([vector_of(text) for text in texts], np.float32).reshape(-1, WIDTH)
    return "" if np.array_equal(np.asarray(vectors), expected) else "a row has another text's vector"


def json_rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    """The rows of a JSON Lines output; ValueError if one is not strict JSON."""
    return [strict_json(line, **options) for line in path.read_bytes().split(b"\n")[:-1]]


def jsonl_difference(path: Path, column: str, texts: list[str], others: dict[str, Arrow]) -> str:
    """The same for a JSON Lines output of columns of Arrow."""
    try:
        rows = json_rows(path, parse_float=Decimal)
    except ValueError as error:
        return f"not strict JSON: {error}"
    if [row.get(column) for row in rows] != texts:
        return f"other texts, or {len(rows)} rows, not {len(texts)}"
    for name, values in others.items():
        try:
            found = from_json([row[name] for row in rows], values.type)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            return f"column {name!r} ({values.type}): {type(error).__name__} {error}"[:300]
        if differs(found, values, nan_is_null=True):
            return f"column {name!r} ({values.type}) has other values"
    return vectors_difference(
        [[float(x) for x in row["embedding"]] for row in rows] or np.empty((0, WIDTH)), texts
    )
