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


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        ('["1", "0"]', "a vector has a str in the place of a number"),
        ("[true, false]", "a vector has a bool in the place of a number"),
        ("[1, null]", "a vector has a NoneType in the place of a number"),
        ("[[1, 0]]", "a vector has a list in the place of a number"),
        ("5", "a vector is a int, not a list of numbers"),
        ('"10"', "a vector is a str, not a list of numbers"),
    ],
)
def test_what_is_no_number_is_not_taken_for_one(tmp_path: Path, vector: str, problem: str) -> None:
    """Numpy reads "1" and true as 1."""
    path = tmp_path / "index.jsonl"
    path.write_text(f'{{"embedding": [1, 0]}}\n{{"embedding": {vector}}}\n')
    with pytest.raises(CorpusError) as error:
        Index(path).search(VECTORS[:1, :2], 1)
    assert str(error.value) == f"{path}, line 2: no rows of vectors: {problem}"
