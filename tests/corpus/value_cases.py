"""A command and what must come of it, and the cases in which values of two types meet in one column."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from tests.corpus import value_matrix
from tests.corpus.referee import jsonl_difference
from tests.corpus.value_matrix import JSON_KINDS, lines_difference, table_difference

ROWS_OF_A_SHARD = 64  # as few as that, so that a small file has several shards


class Case(NamedTuple):
    """One command, and what must come of it."""

    name: str
    arguments: list[str]
    output: str  # the suffix
    names: tuple[str, ...]  # a refusal has to have one of them
    difference: Callable[[Path], str] | None  # None: it has to be refused
    must_accept: bool = False
    remedy: str = ""  # what a refusal has to offer

    def problem(self, code: int | None, message: str, output: Path) -> str:
        """What is wrong with how the command ended; empty if its output is equal, or it refused by name."""
        if code != 0:
            return self._refusal_problem(code, message.rstrip("\n"), output)
        if self.difference is None:
            return "was accepted"
        try:
            return self.difference(output)
        except Exception as error:  # the reference cannot read it
            return f"{type(error).__name__}: {error}"

    def _refusal_problem(self, code: int | None, message: str, output: Path) -> str:
        if code not in (1, 2):
            return "no exit" if code is None else f"exit {code}"
        if self.must_accept:
            return "refused what can be kept"
        if "\n" in message or not message.startswith("minilm: "):
            return "more than one line"
        if not any(name in message for name in self.names):
            return f"names none of {', '.join(self.names)[:80]}"
        if self.remedy not in message:
            return f"without the remedy {self.remedy}"
        left = [path.name for path in output.parent.glob(f"{output.name}*") if path.suffix != ".incomplete"]
        return f"left {left[0]}" if left else ""


def type_pairs(work: Path, types: Collection[str] | None = None) -> Iterator[Case]:
    """Two Parquet files whose column has two types, in both orders, with plain and with extreme values."""
    values = {name: v for name, v in value_matrix.arrow_values().items() if types is None or name in types}
    written = {
        (name, degree): work / f"{number} {degree}.parquet"
        for number, name in enumerate(values)
        for degree in ("plain", "extreme")
    }
    read = {}
    for name, arrays in values.items():
        for array, degree in zip(arrays, ("plain", "extreme"), strict=True):
            read[name, degree] = value_matrix.write_parquet(written[name, degree], array)
    for ((first, degree), path), ((second, other_degree), other) in product(written.items(), written.items()):
        if degree != other_degree:
            continue
        (texts, array), (others, other_array) = read[first, degree], read[second, degree]
        right = value_matrix.merged(array, other_array)
        if degree == "extreme" and right.kind is None and not right.is_widening:
            continue  # types that never meet need one try
        check = partial(merged_difference, merged=right, texts=texts + others)
        title, accept = f"{first} and {second}, {degree}", right.kind is not None
        yield Case(title, [str(path), str(other), "--keep"], ".parquet", ("'v'",), check, accept)
    for (name, degree), path in written.items():
        texts, array = read[name, degree]
        lines = partial(jsonl_difference, column="text", texts=texts, others={"v": array})
        yield Case(f"{name}, {degree} to .jsonl", [str(path), "--keep"], ".jsonl", ("'v'",), lines)


def merged_difference(path: Path, merged: value_matrix.Merged, texts: list[str]) -> str:
    """What is wrong with an output of two Parquet files."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    if table.column_names != ["text", "v", "embedding"]:
        return f"the columns are {table.column_names}"
    if table["text"].to_pylist() != texts:
        return "the texts differ"
    return merged.difference(table["v"])


def json_pairs(
    work: Path,
    kinds: Collection[str] = tuple(JSON_KINDS),
    shard: int = ROWS_OF_A_SHARD,
    check_table: Callable[..., str] = table_difference,
) -> Iterator[Case]:
    """Two kinds of JSON values under one key, in one shard and in two."""
    for number, (first, second) in enumerate(product(kinds, kinds)):
        a, b = JSON_KINDS[first], JSON_KINDS[second]
        for repeats in (1, shard):
            path = work / f"{number}-{repeats}.jsonl"
            rows = value_matrix.write_jsonl(path, a, b, repeats)
            title = f"{first} {repeats} times and then {second}"
            # a shard of nothing but empty objects cannot be written
            is_written = repeats == 1 or a is value_matrix.MISSING or value_matrix.is_typed(a)
            arguments, accept = [str(path), "--keep"], is_written and value_matrix.joins(a, b)
            check = partial(check_table, rows=rows)
            yield Case(title, arguments, ".parquet", ("'v'",), check, accept, remedy=".jsonl")
            if repeats > 1:
                continue
            lines = partial(lines_difference, rows=rows)
            yield Case(f"{title} to .jsonl", arguments, ".jsonl", ("'v'",), lines, must_accept=True)


def mixed_inputs(work: Path) -> Iterator[Case]:
    """Files of different formats and columns in one job, in both orders."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (work / "a.csv").write_text("text,v,only\ncsv,007,x\n")
    (work / "b.jsonl").write_text(json.dumps({"text": "json", "v": 7, "late": [1.5]}) + "\n")
    (work / "s.jsonl").write_text(json.dumps({"text": "strings", "v": "7"}) + "\n")
    pq.write_table(pa.table({"text": ["parquet"], "v": pa.array([7], pa.int8())}), work / "c.parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), work / "empty.parquet")
    rows: dict[str, dict[str, Any]] = {
        "a.csv": {"text": "csv", "v": "007", "only": "x"},
        "b.jsonl": {"text": "json", "v": 7, "late": [1.5]},
        "s.jsonl": {"text": "strings", "v": "7"},
        "c.parquet": {"text": "parquet", "v": 7},
        "empty.parquet": {},
    }
    for first, second in product(rows, rows):
        if first == second:
            continue
        expected = [rows[name] for name in (first, second) if rows[name]]
        kinds = {type(row["v"]) for row in expected}
        check, arguments = (
            partial(table_difference, rows=expected),
            [str(work / first), str(work / second), "--keep"],
        )
        yield Case(f"{first} and {second}", arguments, ".parquet", ("'v'",), check, len(kinds) == 1)
