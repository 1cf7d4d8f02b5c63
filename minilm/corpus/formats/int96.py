"""Timestamps of 96 bits, as Spark and Impala write them to Parquet: nanoseconds of any year.

pyarrow reads them into 64 bits. In nanoseconds these end in the year 2262, and what is beyond comes out as
another time without a word. A coarser unit reaches further.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import BinaryIO

import numpy as np

from minilm.corpus.formats.columns import Arrow, import_arrow
from minilm.errors import CorpusError

_PER_SECOND = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}


def int96_unit(file: BinaryIO, metadata: Arrow, columns: Collection[str]) -> str:
    """Return the finest unit in which these columns of a Parquet file keep every value.

    Raises
    ------
    CorpusError
        If no unit does.
    """
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    found = {leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"}
    if not (names := sorted(found.intersection(columns))):
        return "ns"
    units = list(_PER_SECOND)
    for values in zip(*(_numbers_of(file, metadata, names, unit) for unit in _PER_SECOND), strict=True):
        by_unit = dict(zip(_PER_SECOND, values, strict=True))
        units = [unit for unit in units if _is_exact(by_unit, unit)]
    if not units:
        raise CorpusError(
            f"no 64-bit timestamp holds the years and the fractions of seconds of {', '.join(names)} "
            "(timestamps of 96 bits): leave them out with --keep NAME,NAME"
        )
    return units[0]


def _is_exact(by_unit: dict[str, np.ndarray], unit: str) -> bool:
    """Whether a unit has room for all values, and no value has digits below it."""
    values, step = by_unit[unit], _PER_SECOND["ns"] // _PER_SECOND[unit]
    has_room = (values // _PER_SECOND[unit] == by_unit["s"]).all()
    # both sides are modulo 2**64, beyond which neither counts
    return bool(has_room and (by_unit["ns"] == values * np.int64(step)).all())


def _numbers_of(file: BinaryIO, metadata: Arrow, names: list[str], unit: str) -> Iterator[np.ndarray]:
    """Iterate over the timestamps in these columns, as numbers in a unit, batch by batch."""
    arrow = import_arrow()
    options = {"metadata": metadata, "pre_buffer": False, "coerce_int96_timestamp_unit": unit}
    with arrow.parquet.ParquetFile(file, **options) as opened:
        for batch in opened.iter_batches(columns=names):
            for column in batch.columns:
                for leaf in _leaves(column):
                    yield leaf.drop_null().cast(arrow.int64()).to_numpy()


def _leaves(array: Arrow) -> Iterator[Arrow]:
    """Iterate over the timestamps inside an array, which may hold lists and structs."""
    arrow = import_arrow()
    if arrow.types.is_timestamp(array.type):
        yield array
    elif arrow.types.is_map(array.type):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif array.type.num_fields:
        inner = array.flatten()
        for part in inner if isinstance(inner, list) else [inner]:
            yield from _leaves(part)
