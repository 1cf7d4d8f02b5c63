"""minilm/corpus/formats/json_decoder.py: RFC 8259, and no value changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.running import json_rows_of


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('{"text": "a", "n": NaN}', "not JSON (NaN)"),
        ('{"text": "a", "n": -Infinity}', "not JSON (-Infinity)"),
        ('{"text": "a", "n": 1e400}', "the number 1e400 does not fit a double"),
        ('{"text": "a", "n": [-123e-10000]}', "the number -123e-10000 does not fit a double"),
        ('{"text": "a", "n": 1, "n": 2}', "the key 'n' is there twice, with different values"),
        ('{"text": "a", "n": 1, "n": true}', "the key 'n' is there twice, with different values"),
        ('{"text": "a", "n": 1, "n": 1.0}', "the key 'n' is there twice, with different values"),
        ('{"text": "a\\ud800b"}', "not UTF-8 (a lone surrogate)"),
        (
            '{"text": "a", "n": ' + "9" * 5000 + "}",
            "the number 999999999999999999999999999999... has too many digits",
        ),
        ('{"text": null}', "null"),
        ('{"other": "a"}', "no column 'text'; its columns are: other"),
        ('["a"]', "a list, not text"),
    ],
)
def test_a_value_that_would_change_is_a_problem_of_its_row(value: str, problem: str, tmp_path: Path) -> None:
    good = '{"text": "good", "n": 0.0, "m": 1e-400, "m": 1e-400}'.replace("1e-400", "-0.0e5")
    expected = [("good", {"n": 0.0, "m": -0.0}), problem, ("good", {"n": 0.0, "m": -0.0})]
    assert json_rows_of(tmp_path / "in.json", f"[{good},\n{value},\n{good}]") == expected
    if value != '["a"]':
        assert json_rows_of(tmp_path / "in.jsonl", f"{good}\n{value}\n{good}\n", "jsonl") == expected
    assert json_rows_of(tmp_path / "in.jsonl", f"{good}\n{value}\n{good}\n", "json") == expected
