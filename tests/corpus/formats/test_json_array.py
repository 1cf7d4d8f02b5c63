"""minilm/corpus/formats/json_array.py: an array is read in pieces, and no value of it changes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilm import CorpusError
from minilm.corpus.formats import json_array
from tests.corpus.running import failure, json_rows_of, read_jsonl, run

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    values=st.lists(VALUES),
    chunk=st.integers(1, 40),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_an_array_is_what_json_reads_however_it_is_cut(
    values: list[Any],
    chunk: int,
    indent: int | None,
    ascii_only: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("json") / "in.json"
    objects = [{"text": "a", "value": value} for value in values]
    content = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_CHUNK", chunk)
        read = json_rows_of(path, content)
    assert repr(read) == repr([("a", {"value": value}) for value in values])


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_bare_values_are_not_cut(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "_CHUNK", chunk)
    content = '["a", "\\ud83d\\ude00", 123456, -1.5e10, false, null, "' + "x" * 100 + '"]'
    number, boolean = "a number, not text", "a boolean, not text"
    expected: list[Any] = [("a", {}), ("😀", {}), number, number, boolean, "null", ("x" * 100, {})]
    assert json_rows_of(tmp_path / "in.json", content) == expected


def test_bytes_that_are_not_utf8_lose_their_row_only(tmp_path: Path) -> None:
    content = b'[{"text": "a"}, {"text": "b", "n": "\xff"}, {"text": "c"}]'
    assert json_rows_of(tmp_path / "in.json", content) == [("a", {}), "not UTF-8", ("c", {})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no JSON: it is empty"),
        (" \n", "holds no JSON: it is empty"),
        ('[{"text": "a"},\n{"text": "b"},\n]', "line 3: not JSON (Expecting value)"),
        ('[{"text": "a"}\n{"text": "b"}]', "line 2: not JSON (',' or ']' is expected)"),
        ('[{"text": "a"},\n{"text": "b"', "line 2: not JSON (Expecting ',' delimiter)"),
        ('[{"text": "a"}]\n[]', "line 2: not JSON (the array is at its end, and something follows)"),
        ('["a"', "line 1: not JSON (',' or ']' is expected)"),
        ("[" * 100_000, "line 1: not JSON (it is nested too deeply)"),
        ('{\n"text": "a"\n}\n{,', "line 4: not JSON (Expecting property name enclosed in double quotes)"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 1 << 16])
def test_what_is_no_json_names_the_line(
    content: str, message: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "_CHUNK", chunk)
    with pytest.raises(CorpusError) as error:
        json_rows_of(tmp_path / "in.json", content)
    assert str(error.value).startswith(f"{tmp_path / 'in.json'}")
    assert message.partition(" enclosed")[0] in str(error.value)


def test_objects_for_people_are_read(tmp_path: Path) -> None:
    content = "\n".join(json.dumps({"text": text, "n": [1]}, indent=2) for text in "ab")
    assert json_rows_of(tmp_path / "in.json", content) == [("a", {"n": [1]}), ("b", {"n": [1]})]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"text": "a"}]', "a JSON array"),
        ('\ufeff [\n"a"\n]', "a JSON array"),
        ('{\n"text": "a"\n}', "several lines"),
    ],
)
def test_json_lines_that_are_not_lines_are_named(
    content: str, what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(content, "utf-8")
    code, line = failure(capsys, source, "-o", tmp_path / "out.jsonl", "--on-error", "skip")
    assert (code, what in line, "--format json reads it" in line) == (1, True, True)
    assert run(source, "-o", tmp_path / "out.jsonl", "--format", "json") == 0
    assert [row["text"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a"]


def test_an_array_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b'[{"text": "a"}, {"text": "b"}]'))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run("-", "--format", "json", "-o", tmp_path / "out.jsonl") == 0
    assert [row["text"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a", "b"]
