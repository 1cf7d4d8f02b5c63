"""The report as text and as JSON."""

from __future__ import annotations

import json

from minilm.check.findings import Check, ClassErrors, Finding
from minilm.check.report import as_json, as_text

CHECK = Check(
    "same model, float32, with 1 difference: cuts at 512 tokens",
    True,
    "float32",
    0.05,
    1,
    [ClassErrors("plain", 24, 0, 2e-7, 3e-8, 1.0), ClassErrors("empty", 1, 1, 0, 0, 1)],
    [Finding("length 512", "cuts at 512 tokens", "9 of 9 texts", "set the length", 9)],
)


def test_a_person_reads_the_verdict_the_table_and_the_findings() -> None:
    assert as_text(CHECK, "http://a").splitlines() == [
        "same model, float32, with 1 difference: cuts at 512 tokens",
        "target: http://a",
        "",
        "class                    texts  largest error  mean error  smallest cosine",
        "plain                       24        2.0e-07     3.0e-08         1.000000",
        "empty                        1        refused",
        "",
        "1. cuts at 512 tokens",
        "   evidence: 9 of 9 texts",
        "   to change: set the length",
    ]


def test_ci_reads_json() -> None:
    report = json.loads(json.dumps(as_json(CHECK, "http://a")))
    assert (report["same_model"], report["precision"], report["largest_error"]) == (True, "float32", 0.05)
    assert report["classes"][0] == {
        "name": "plain", "texts": 24, "refused": 0, "largest": 2e-7, "mean": 3e-8, "cosine": 1.0
    }  # fmt: skip
    assert report["findings"][0]["name"] == "length 512"
