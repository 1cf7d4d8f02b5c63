"""Values of Arrow as JSON has them: numbers, texts, true, false, null, lists and objects (RFC 8259)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        result.extend(mappings_of(batch, _column))
    return result


def mappings_of(batch: Arrow, values: Callable[[str, Arrow], list[Any]]) -> list[dict[str, Any]]:
    """Return the rows of a batch by name: ``values`` makes those of a column from its name and array."""
    names = batch.schema.names
    columns = [values(name, column) for name, column in zip(names, batch.columns, strict=True)]
    cells = zip(*columns, strict=True) if columns else iter([()] * len(batch))
    return [dict(zip(names, row, strict=True)) for row in cells]


def _column(name: str, array: Arrow) -> list[Any]:
    try:
        return values_of(array, _numbers)
    except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors; a time zone may be unknown
        raise CorpusError(f"column {name!r} cannot be kept in JSON: {error}; write .parquet") from None


def values_of(array: Arrow, numbers: Callable[[Arrow], Iterable[float | None]] | None = None) -> list[Any]:
    """Return one value per element of an array: numbers, texts, lists and dicts, without pandas.

    Dates, times and decimal numbers become texts with all digits. Bytes and durations stay what they are.

    Parameters
    ----------
    array : pyarrow.Array
        The values.
    numbers : callable, optional
        It makes the values of an array of float64. Without it they stay as they are, NaN and infinity too.

    Raises
    ------
    ValueError or OSError
        If a value has no text: it is out of range, no UTF-8, or of a time zone that is not known.
    """
    array = plain(array)
    arrow, kind = import_arrow(), array.type
    types = arrow.types
    if types.is_struct(kind):
        return _objects(array, numbers)
    if types.is_map(kind):
        pairs = arrow.struct([("key", kind.key_type), ("value", kind.item_type)])
        rows = values_of(array.cast(arrow.list_(pairs)), numbers)
        return [None if row is None else [[pair["key"], pair["value"]] for pair in row] for row in rows]
    if kind.num_fields:
        lengths = arrow.compute.list_value_length(array).to_pylist()
        items = iter(values_of(array.flatten(), numbers))
        return [None if length is None else list(islice(items, length)) for length in lengths]
    if types.is_floating(kind):
        doubles = array.cast(arrow.float64())
        return doubles.to_pylist() if numbers is None else list(numbers(doubles))
    if types.is_duration(kind):  # Python's has microseconds: a cast raises for what is finer or too long
        return array.cast(arrow.duration("us")).to_pylist()
    if types.is_temporal(kind) or types.is_decimal(kind):
        # pyarrow says "<value out of range: 9>", but of a time with a zone it makes another year
        checked = array.cast(arrow.timestamp(kind.unit)) if types.is_timestamp(kind) and kind.tz else array
        if unknown := [text for text in checked.cast(arrow.string()).to_pylist() if text and text[0] == "<"]:
            raise ValueError(f"{kind} has no text for {unknown[0]}")
        return array.cast(arrow.string()).to_pylist()
    return array.to_pylist()


def plain(array: Arrow) -> Arrow:
    """Return an array without a dictionary or an extension: true or false for bool8, and texts for UUIDs."""
    arrow, kind = import_arrow(), array.type
    if arrow.types.is_dictionary(kind):
        return plain(array.cast(kind.value_type))
    if not hasattr(array, "storage"):
        return array
    if kind.extension_name == "arrow.uuid":
        return arrow.array([value and str(value) for value in array.to_pylist()], arrow.string())
    return plain(array.storage.cast(arrow.bool_()) if kind.extension_name == "arrow.bool8" else array.storage)


def _objects(
    array: Arrow, numbers: Callable[[Arrow], Iterable[float | None]] | None
) -> list[dict[str, Any] | None]:
    names = [field.name for field in array.type]
    columns = [values_of(column, numbers) for column in array.flatten()]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(array))
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if ok else None for row, ok in zip(rows, valid, strict=True)]


def _numbers(array: Arrow) -> Iterator[float | None]:
    for number in array.to_pylist():
        if number is not None and math.isinf(number):
            raise ValueError(f"JSON has no {number}")
        yield None if number is None or math.isnan(number) else number
