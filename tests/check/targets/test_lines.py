"""JSON lines and files of vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minilm.check.targets.lines import FileTarget, parse_vectors, text_lines, write_texts
from minilm.check.targets.target import TargetError

TEXTS = ["a", "line\nbreak \u2028 \u00e9"]


def test_the_texts_are_json_lines(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts.jsonl", TEXTS)
    lines = (tmp_path / "texts.jsonl").read_text("ascii").splitlines()
    assert [json.loads(line) for line in lines] == [{"text": text} for text in TEXTS]
    assert text_lines(TEXTS) == (tmp_path / "texts.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.jsonl", "objects.jsonl"])
def test_a_file_has_a_vector_per_text(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "vectors.npy":
        np.save(path, np.array([[1, 2], [3, 4]], np.float32))
    elif name == "vectors.jsonl":
        path.write_text("[1, 2]\n[3, 4]\n")
    else:
        path.write_text('{"embedding": [1, 2]}\n\n{"vector": [3, 4]}\n')
    assert FileTarget(path, TEXTS).embed(TEXTS[::-1]).tolist() == [[3, 4], [1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]\n", "has 1 vectors for the 2 texts: make one for every line that --emit writes"),
        ("[1, 2]\nnothing\n", "line 2 must be a JSON array of numbers, or an object .* not 'nothing'"),
        ('[1, 2]\n{"id": 1}\n', 'line 2 must be .* not .{"id": 1}'),
        ("[1, 2]\n" + "[" * 200_000, "jsonl: line 2: the JSON is nested too deeply"),
        ("[1, 2]\n[1, true]\n", "got True in component 1 of vector 1, which is not a number"),
        ("[1, 2]\n[1]\n", r"asked for 2 vectors of one length, got arrays of the shapes \(1,\), \(2,\)"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.jsonl").write_text(content)
    with pytest.raises(TargetError, match=message):
        FileTarget(tmp_path / "v.jsonl", TEXTS)


def test_an_npy_file_of_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{}], object))
    with pytest.raises(TargetError, match=r"v\.npy is not a \.npy file of numbers"):
        FileTarget(tmp_path / "v.npy", TEXTS)


def test_parse_vectors_takes_what_programs_write() -> None:
    assert parse_vectors(b"[1.5, 2]\r\n", "f") == [[1.5, 2]]
