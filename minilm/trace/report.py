"""A comparison as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence

from minilm.trace.comparison import Comparison

SHOWN = 3


def comparison_text(comparison: Comparison, path: str) -> str:
    """Return the first difference, or that there is none; then what was not compared."""
    compared = comparison.compared
    if comparison.difference:
        one, before = comparison.difference, len(compared) - 1
        lines = [one.says, f"tensor: {one.name}", *one.details, f"{before} tensors before it agree"]
    else:
        lines = [f"no difference in {len(compared)} tensors of {path}"]
        if comparison.largest_in:
            lines.append(f"largest error: {comparison.largest:.1e} (1 + |x|), in {comparison.largest_in}")
    if comparison.missing:
        lines.append(f"missing: {_some(comparison.missing)}")
    if comparison.unknown:
        lines.append(f"not compared, because minilm has no such tensor: {_some(comparison.unknown)}")
    return "\n".join(lines)


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
