"""Small indices in files of any format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

ROWS, WIDTH = 50, 8
VECTORS = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


def write(path: Path, vectors: np.ndarray = VECTORS) -> Path:
    """An index as `minilm encode` would write it."""
    texts = [f"text {row}" for row in range(len(vectors))]
    if path.suffix == ".npy":
        np.save(path, vectors)
    elif path.suffix == ".jsonl":
        rows = zip(texts, vectors.tolist(), strict=True)
        path.write_text("".join(json.dumps({"text": t, "embedding": v}) + "\n" for t, v in rows), "utf-8")
    else:
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        pytest.importorskip("pyarrow.parquet").write_table(
            pa.table({"text": texts, "embedding": column}), path
        )
    return path
