"""What all targets have in common, and what a target may answer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from reprlib import repr as short_repr  # of an answer that is nested deeply, repr fails
from typing import Any, Protocol

import numpy as np

from minilm._arrays import AnyArray, Float64Array, as_array
from minilm.errors import MiniLMError, one_line


class TargetError(MiniLMError):
    """A target cannot be reached, or answers no vectors; the message says what was asked, and what came."""


class RefusedError(MiniLMError):
    """A target refuses these texts, and may take others."""


class Target(Protocol):
    """An implementation that makes vectors of texts."""

    name: str
    takes_batches: bool  # whether texts that are asked for together reach it together

    def embed(self, texts: Sequence[str]) -> AnyArray:
        """Return a vector for each text, shape (n, E); raise RefusedError or TargetError."""


def parse_json(content: bytes, name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what JSON says: a ValueError if it is not JSON, a TargetError if it is too deep to be read."""
    try:
        return json.loads(content)
    except RecursionError:
        raise TargetError(f"{name}: the JSON is nested too deeply") from None


def checked_vectors(answer: Any, texts: int, name: str) -> Float64Array:  # noqa: ANN401 - whatever came
    """Return what a target answered as vectors (n, E), or raise a TargetError that says what came instead."""
    asked = f"{name}: asked for {texts} vector{'s' * (texts != 1)}"
    try:
        given = [*answer]
        rows = [as_array(row) for row in given]
        _refuse_no_numbers(given, rows, asked)
        numbers = [np.asarray(row, np.float64) for row in rows]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TargetError(f"{asked}, got {one_line(short_repr(answer))[:80]}") from error
    if len(rows) != texts:
        raise TargetError(f"{asked}, got {len(rows)}")
    shapes = {row.shape for row in numbers}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or (0,) in shapes:
        raise TargetError(f"{asked} of one length, got arrays of the shapes {_listed(shapes)}")
    vectors = np.stack(numbers)
    if not np.isfinite(vectors).all():
        row, component = np.argwhere(~np.isfinite(vectors))[0]
        value = vectors[row, component]
        value = "NaN" if math.isnan(value) else str(value)
        raise RefusedError(f"{asked}, got {value} in component {component} of vector {row}")
    return vectors


def _refuse_no_numbers(given: Sequence[Any], rows: Sequence[AnyArray], asked: str) -> None:
    """Refuse what numpy would make a number of: null, a text, true and false."""
    for index, (row, array) in enumerate(zip(given, rows, strict=True)):
        is_listed = isinstance(row, (list, tuple))  # beside a number, true is a number in the array
        if array.ndim != 1 or (array.dtype.kind in "iuf" and not is_listed):
            continue
        for component, value in enumerate(row if is_listed else array):
            place = f"in component {component} of vector {index}"
            if value is None:  # as NaN, it may be for this text only
                raise RefusedError(f"{asked}, got null {place}")
            if isinstance(value, (str, bytes, bool, np.bool_)):
                raise TargetError(f"{asked}, got {short_repr(value)} {place}, which is not a number")


def _listed(shapes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join(map(str, sorted(shapes)[:3])) + (" ..." if len([*shapes]) > 3 else "")
