"""The result of a check, as a person reads it and as JSON."""

from __future__ import annotations

from typing import Any

from minilm.check.findings import Check

_HEAD = f"{'class':<24}{'texts':>6}{'largest error':>15}{'mean error':>12}{'smallest cosine':>17}"


def as_text(check: Check, target: str) -> str:
    """Return the verdict in one line, the table by class, and the findings."""
    lines = [check.verdict, f"target: {target}", "", _HEAD]
    for row in check.classes:
        if row.refused == row.texts:
            lines.append(f"{row.name:<24}{row.texts:>6}{'refused':>15}")
            continue
        numbers = f"{row.largest:>15.1e}{row.mean:>12.1e}{row.cosine:>17.6f}"
        lines.append(f"{row.name:<24}{row.texts:>6}{numbers}")
    for number, finding in enumerate(check.findings, 1):
        lines += [
            "",
            f"{number}. {finding.says}",
            f"   evidence: {finding.evidence}",
            f"   to change: {finding.remedy}",
        ]
    return "\n".join(lines)


def as_json(check: Check, target: str) -> dict[str, Any]:
    """Return plain lists and numbers."""
    return {
        "verdict": check.verdict,
        "target": target,
        "same_model": check.is_same,
        "precision": check.precision,
        "largest_error": check.largest,
        "refused": check.refused,
        "classes": [vars(row) | {} for row in check.classes],
        "findings": [finding.as_dict() for finding in check.findings],
    }
