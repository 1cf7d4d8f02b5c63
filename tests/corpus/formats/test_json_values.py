"""minilm/corpus/formats/json_values.py: what Arrow holds, as JSON, or refused by name."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from minilm.corpus.formats.columns import ArrowRow
from minilm.corpus.formats.json_values import json_rows
from minilm.errors import CorpusError
from tests.corpus.running import failure, run

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

STAMP = pa.timestamp("ns", "UTC")


def as_json(array: Any) -> list[Any]:
    batch = pa.record_batch({"x": array})
    return [row["x"] for row in json_rows([ArrowRow(batch, place) for place in range(len(array))])]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
        (pa.array([0.1], pa.float32()), [0.10000000149011612]),  # the number that the float32 is
        (pa.array([1.5, float("nan"), None]), [1.5, None, None]),  # as pandas and polars write it
        (pa.array([Decimal("1.50")]), ["1.50"]),
        (pa.array([dt.date(2024, 2, 29)]), ["2024-02-29"]),
        (pa.array([4_000_000], pa.date32()), ["12921-08-18"]),  # Python's dates end in 9999
        (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
        (pa.array([1], STAMP), ["1970-01-01 00:00:00.000000001Z"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (
            pa.array([[("k", 1)], None, []], pa.map_(pa.string(), STAMP)),
            [[["k", "1970-01-01 00:00:00.000000001Z"]], None, []],
        ),
        (pa.array([[1.0, float("nan")], None], pa.list_(pa.float64(), 2)), [[1.0, None], None]),
        (
            pa.array([[{"at": dt.time(1, 2)}], [], None], pa.large_list(pa.struct([("at", pa.time32("s"))]))),
            [[{"at": "01:02:00"}], [], None],
        ),
        (pa.array([{"a": None}, None], pa.struct([("a", pa.date32())])), [{"a": None}, None]),
        (pa.array([{}, None], pa.struct([])), [{}, None]),
    ],
)
def test_values_as_json(array: Any, expected: list[Any]) -> None:
    assert as_json(array) == expected
    assert as_json(array.slice(1)) == expected[1:]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pa.array([1.0, float("inf")]), "JSON has no inf"),
        (pa.array([[float("-inf")]]), "JSON has no -inf"),
        (pa.array([b"\xff"]), "it holds binary"),
        (pa.array([{"a": [b"x"]}]), "it holds binary"),
        (pa.array([1], pa.duration("s")), "it holds duration"),
        (pa.array([2**62], pa.timestamp("s")), "has no text for <value out of range"),
        (pa.array([2**62], pa.timestamp("us", "UTC")), "has no text for <value out of range"),
    ],
)
def test_what_json_does_not_have_is_refused_by_name(array: Any, reason: str) -> None:
    with pytest.raises(CorpusError, match=r"^column 'x' cannot be kept in JSON: .*; write .parquet") as error:
        as_json(array)
    assert reason in str(error.value)


def test_a_type_that_json_does_not_have_is_refused_before_a_text_is_encoded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module("minilm.cli.encode")  # which would take the stand-in with it, if it came later
    monkeypatch.setattr("minilm.corpus.job.encode_texts", lambda *_, **__: pytest.fail("a text was encoded"))
    pq.write_table(pa.table({"text": ["t"], "x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["t"], "x": [b"t"]}), tmp_path / "b.parquet")
    code, line = failure(capsys, tmp_path / "*.parquet", "-o", tmp_path / "out.jsonl", "--keep")
    assert (code, line.startswith("column 'x' cannot be kept in JSON: it holds binary")) == (1, True)


def test_what_is_printed_is_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["t"], "x": [float("nan")]}), tmp_path / "in.parquet")
    assert run(tmp_path / "in.parquet", "--keep") == 0

    def no_constant(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    row = json.loads(capsys.readouterr().out, parse_constant=no_constant)
    assert (row["text"], row["x"]) == ("t", None)
