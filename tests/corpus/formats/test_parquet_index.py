"""minilm/corpus/formats/parquet_index.py: lists of numbers as other programs write them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from minilm.corpus.index import Index
from minilm.errors import CorpusError
from tests.corpus.indices import ROWS, VECTORS, WIDTH, write


def test_rows_of_unequal_length_in_parquet_cannot_shift_the_others(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [[1.0] * WIDTH, [], [0.0] * (2 * WIDTH)]
    fixed = pa.list_(pa.float32(), WIDTH)
    for kind, content, message in (
        (pa.list_(pa.float32()), rows, "row 1 has 0 components, the first row 8"),
        (pa.list_(pa.float32()), [[1.0] * WIDTH, None], "row 1 has no vector"),
        (
            pa.large_list(pa.float64()),
            [[1.0] * WIDTH, [1.0] * 7 + [None]],
            "row 1 has a component that is null",
        ),
        # older pyarrow cannot read such a column itself
        (fixed, [None, [1.0] * WIDTH], "row 0 has no vector|is damaged"),
        (pa.string(), ["x"], "is string, not a list"),
        (pa.list_(pa.string()), [["x"]], "is list<element: string>, not a list of float, int8 or uint8"),
    ):
        parquet.write_table(pa.table({"embedding": pa.array(content, kind)}), tmp_path / "index.parquet")
        with pytest.raises(CorpusError, match=message):
            Index(tmp_path / "index.parquet").search(VECTORS[:1], 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["list_", "large_list", "fixed"])
def test_lists_of_any_kind_are_read(kind: str, dtype: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = VECTORS.astype(dtype)
    component = pa.from_numpy_dtype(rows.dtype)
    column = pa.list_(component, WIDTH) if kind == "fixed" else getattr(pa, kind)(component)
    vectors = pa.array([*rows], column)
    parquet.write_table(
        pa.table({"v": vectors, "text": pa.array(map(str, range(ROWS)))}), tmp_path / "i.parquet"
    )
    [hits] = Index(tmp_path / "i.parquet", embedding_column="v").search(VECTORS[:1], 5)
    scores = rows.astype(np.float64) @ VECTORS[0].astype(np.float64)
    assert [hit.row for hit in hits] == np.argsort(-scores)[:5].tolist()
    assert [hit.text for hit in hits] == [str(hit.row) for hit in hits]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1][:5], rtol=0, atol=5e-6)


def test_tables_of_pandas_polars_and_duckdb_are_read(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    texts = [f"text {row}" for row in range(ROWS)]
    frame = pd.DataFrame({"id": range(ROWS), "text": texts, "embedding": [*VECTORS]})
    frame.to_parquet(tmp_path / "pandas.parquet")
    frame.assign(embedding=VECTORS.tolist(), text=frame["text"].astype("category")).to_parquet(
        tmp_path / "doubles.parquet"
    )
    names = ["pandas", "doubles"]
    try:
        import polars as pl
    except ImportError:
        pass
    else:
        names += ["polars", "polars_lists"]
        table = pl.DataFrame({"text": texts, "embedding": VECTORS})
        table.write_parquet(tmp_path / "polars.parquet")
        lists = table.with_columns(pl.col("embedding").cast(pl.List(pl.Float32)))
        lists.write_parquet(tmp_path / "polars_lists.parquet")
    try:
        import duckdb
    except ImportError:
        pass
    else:
        names.append("duckdb")
        source = (tmp_path / "pandas.parquet").as_posix()
        copied = (tmp_path / "duckdb.parquet").as_posix()
        query = f"select text, embedding::float[{WIDTH}] as embedding from '{source}'"
        duckdb.sql(f"copy ({query}) to '{copied}'")
    expected = np.argsort(-(VECTORS @ VECTORS[3]))[:4].tolist()
    for name in names:
        [hits] = Index(tmp_path / f"{name}.parquet").search(VECTORS[3:4], 4)
        assert [hit.row for hit in hits] == expected, name
        assert [hit.text for hit in hits] == [texts[row] for row in expected], name


def test_a_directory_is_read_in_the_natural_order_of_its_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for part in range(0, ROWS, 5):
        folder = tmp_path / "index" / f"part={part // 25}"
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"part-{part}.parquet", VECTORS[part : part + 5])
    for left_out in ("_temporary/x.parquet", ".part-0.parquet", "_metadata.parquet"):
        (tmp_path / "index" / left_out).parent.mkdir(exist_ok=True)
        (tmp_path / "index" / left_out).write_bytes(b"no Parquet")
    [hits] = Index(tmp_path / "index").search(VECTORS[:1], ROWS)
    assert [hit.row for hit in hits] == np.argsort(-(VECTORS @ VECTORS[0])).tolist()


def test_a_parquet_index_that_is_cut_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 100)
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "index.parquet"
    vectors = np.random.default_rng(0).normal(size=(5_000, WIDTH)).astype(np.float32)
    parquet.write_table(pa.table({"embedding": [*vectors]}), path, row_group_size=500)
    index = Index(path)
    blocks = index._blocks()
    next(blocks)
    os.truncate(path, path.stat().st_size // 8)
    with pytest.raises(CorpusError, match=r"index\.parquet is damaged"):
        list(blocks)
