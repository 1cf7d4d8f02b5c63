"""minilm/corpus/formats/json_lines_index.py: a line is a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm.corpus.index import Index
from minilm.errors import CorpusError
from tests.corpus.indices import ROWS, VECTORS, write


def test_a_line_without_a_vector_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "index.jsonl")
    with path.open("a") as file:
        file.write('{"text": "no vector"}\n')
    with pytest.raises(CorpusError) as error:
        Index(path).search(VECTORS[:1], 1)
    assert str(error.value) == f"{path}, line {ROWS + 1}: no 'embedding' (--embedding-column NAME)"
