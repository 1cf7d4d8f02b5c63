"""Fixtures of the tests of Ray: a cluster, and a corpus."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions
from tests.corpus.ray.machines import ROWS, Machines, corpus_in


@pytest.fixture(scope="package")
def machines() -> Iterator[Machines]:
    pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")
    two = Machines()
    yield two
    two.shut_down()


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory, model: MiniLM) -> Path:
    """Two inputs, and what one machine makes of them: one.parquet."""
    folder = tmp_path_factory.mktemp("corpus")
    generator = random.Random(0)
    words = ["the", "cat", "sat", "while", "rain", "fell", "over", "old", "town", "and", "money", "went"]
    rows: list[dict[str, Any]] = [
        {"n": i, "text": " ".join(generator.choices(words, k=generator.randrange(1, 20)))}
        for i in range(ROWS)
    ]
    for i in range(7, ROWS, 50):
        rows[i]["text"] = None
    lines = [json.dumps(row) for row in rows[: ROWS // 2]]
    lines[100] += "\n\nno JSON"  # a line that is blank and one that is bad
    (folder / "a.jsonl").write_text("\n".join(lines))
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows[ROWS // 2 :]), folder / "b.parquet", row_group_size=70)
    encode_corpus(model, corpus_in(folder), folder / "one.parquet", JobOptions(on_error="skip"))
    return folder
