"""minilm/corpus/formats/int96.py: timestamps of 96 bits keep year and nanoseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus.running import run

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

YEAR_9999 = 253402300799  # seconds


def kept(values: Any, tmp_path: Path) -> Any:
    table = pa.table({"text": ["t"] * len(values), "x": values})
    pq.write_table(table, tmp_path / "in.parquet", use_deprecated_int96_timestamps=True, store_schema=False)
    assert pq.read_metadata(tmp_path / "in.parquet").schema.column(1).physical_type == "INT96"
    assert run(tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "--keep") == 0
    return pq.read_table(tmp_path / "out.parquet").column("x").combine_chunks()


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, -1], pa.timestamp("ns")),
        pa.array([YEAR_9999 * 10**6 + 1, 0, -YEAR_9999 // 9 * 10**6], pa.timestamp("us")),
        pa.array([YEAR_9999 * 10**3 * 10**3, 0], pa.timestamp("ms")),
    ],
)
def test_the_unit_is_one_that_holds_all(values: Any, tmp_path: Path) -> None:
    found = kept(values, tmp_path)
    assert found.type == values.type
    assert found.equals(values)
