"""Vectors and texts of an index in JSON Lines; blank lines are no rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from minilm._arrays import Float32Array
from minilm.errors import CorpusError


def json_lines_vectors(path: Path, block_rows: int, column: str) -> Iterator[Float32Array]:
    """Iterate over blocks of vectors, shape (n, E); a CorpusError names a line without one."""
    with path.open("rb") as file:
        lines = _rows(file)
        while block := list(islice(lines, block_rows)):
            vectors: list[Any] = []
            try:
                vectors.extend(_vector_of(json.loads(content)[column]) for _, content in block)
                with np.errstate(all="ignore"):
                    yield np.array(vectors, np.float32).reshape(len(block), -1)
            except KeyError:
                reason = f"no {column!r} (--embedding-column NAME)"
                raise CorpusError(f"{path}, line {block[len(vectors)][0]}: {reason}") from None
            except (ValueError, TypeError, OverflowError) as error:
                where = f"lines {block[0][0]} to {block[-1][0]}"
                if len(vectors) < len(block):
                    where = f"line {block[len(vectors)][0]}"
                raise CorpusError(f"{path}, {where}: no rows of vectors: {error}") from None


def _vector_of(vector: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return a list of numbers unchanged. numpy would take texts and booleans for numbers as well."""
    if not isinstance(vector, list):
        raise TypeError(f"a vector is a {type(vector).__name__}, not a list of numbers")
    if others := set(map(type, vector)) - {int, float}:
        raise TypeError(f"a vector has a {min(kind.__name__ for kind in others)} in the place of a number")
    return vector


def json_lines_texts(path: Path, rows: set[int], column: str | None) -> dict[int, str | None]:
    """Return the texts of these rows: of this column if it has a string, else the first string of each."""
    with path.open("rb") as file:
        numbered = enumerate(islice(_rows(file), max(rows) + 1))
        records = ((row, json.loads(content)) for row, (_, content) in numbered if row in rows)
        return {row: _text(record, column) for row, record in records}


def _rows(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Iterate over the lines that are not blank, with their numbers from 1."""
    return ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _text(record: dict[str, Any], column: str | None) -> str | None:
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    return texts.get(column or "", next(iter(texts.values()), None))
