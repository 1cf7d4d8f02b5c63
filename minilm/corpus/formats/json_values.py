"""Values of Arrow as JSON has them: numbers, texts, true, false, null, lists and objects (RFC 8259)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from minilm.corpus.formats.columns import Arrow, OtherColumns, batches_of, import_arrow
from minilm.errors import CorpusError

_JSON_TYPES = "null boolean integer floating string large_string string_view decimal timestamp date time"


def check_json_types(schema: Arrow) -> None:
    """Raise a CorpusError if a column has a type that JSON cannot hold."""
    for field in schema:
        if unfit := _unfit(field.type):
            reason = f"it holds {unfit}; write .parquet, or name the columns to --keep"
            raise CorpusError(f"column {field.name!r} cannot be kept in JSON: {reason}")


def _unfit(kind: Arrow) -> str:
    """Return a type inside ``kind`` that JSON does not have, or nothing."""
    types = import_arrow().types
    if types.is_dictionary(kind):
        return _unfit(kind.value_type)
    if hasattr(kind, "storage_type"):
        return _unfit(kind.storage_type)
    if kind.num_fields or types.is_struct(kind):
        return next(filter(None, (_unfit(kind.field(place).type) for place in range(kind.num_fields))), "")
    return "" if any(getattr(types, f"is_{name}")(kind) for name in _JSON_TYPES.split()) else str(kind)


def json_rows(rows: Sequence[OtherColumns]) -> list[dict[str, Any]]:
    """Return the kept columns of each row as JSON has them.

    NaN becomes null, as in pandas and polars. Dates, times and decimal numbers become texts with all digits.
    A map becomes a list of pairs, since JSON has no keys but texts.

    Raises
    ------
    CorpusError
        If a value is infinite, or is of a type that JSON does not have.
    """
    result: list[dict[str, Any]] = []
    for batch in batches_of(rows):
        if isinstance(batch, list):
            result.extend(map(dict, batch))
            continue
        check_json_types(batch.schema)
        names = batch.schema.names
        columns = [_column(name, column) for name, column in zip(names, batch.columns, strict=True)]
        cells = zip(*columns, strict=True) if columns else iter([()] * len(batch))
        result.extend(dict(zip(names, row, strict=True)) for row in cells)
    return result


def _column(name: str, array: Arrow) -> list[Any]:
    try:
        return _values(array)
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors; a time zone may be unknown
        raise CorpusError(f"column {name!r} cannot be kept in JSON: {error}; write .parquet") from None


def _values(array: Arrow) -> list[Any]:
    """Return one value per element of an array."""
    arrow, kind = import_arrow(), array.type
    types = arrow.types
    if types.is_dictionary(kind):
        return _values(array.cast(kind.value_type))
    if hasattr(array, "storage"):
        is_boolean = kind.extension_name == "arrow.bool8"
        return _values(array.storage.cast(arrow.bool_()) if is_boolean else array.storage)
    if types.is_struct(kind):
        return _objects(array)
    if types.is_map(kind):
        pairs = arrow.struct([("key", kind.key_type), ("value", kind.item_type)])
        rows = _values(array.cast(arrow.list_(pairs)))
        return [None if row is None else [[pair["key"], pair["value"]] for pair in row] for row in rows]
    if kind.num_fields:
        lengths = arrow.compute.list_value_length(array).to_pylist()
        items = iter(_values(array.flatten()))
        return [None if length is None else list(islice(items, length)) for length in lengths]
    if types.is_floating(kind):
        return list(_numbers(array.cast(arrow.float64())))
    if types.is_temporal(kind) or types.is_decimal(kind):
        # pyarrow says "<value out of range: 9>", but of a time with a zone it makes another year
        checked = array.cast(arrow.timestamp(kind.unit)) if types.is_timestamp(kind) and kind.tz else array
        if unknown := [text for text in checked.cast(arrow.string()).to_pylist() if text and text[0] == "<"]:
            raise ValueError(f"{kind} has no text for {unknown[0]}")
        return array.cast(arrow.string()).to_pylist()
    return array.to_pylist()


def _objects(array: Arrow) -> list[dict[str, Any] | None]:
    names = [field.name for field in array.type]
    columns = [_values(column) for column in array.flatten()]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(array))
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]


def _numbers(array: Arrow) -> Iterator[float | None]:
    for number in array.to_pylist():
        if number is not None and math.isinf(number):
            raise ValueError(f"JSON has no {number}")
        yield None if number is None or math.isnan(number) else number
