"""Measure the errors of transformers in three precisions, and fill the table of docs/porting.md.

pip install -e ".[golden]"
python -m tests.trace.make_tolerances
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

from minilm import MiniLM
from minilm.check.texts import CLASSES
from minilm.trace.comparison import TOLERANCES, Comparer
from minilm.trace.inputs import Inputs, inputs_of_texts
from minilm.trace.oracle import Oracle
from tests.trace.original import load_bert, original_intermediates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "porting.md"
TEXTS = [
    *CLASSES["plain"][:9],
    *CLASSES["sentences"][:9],
    *CLASSES["scripts"][:4],
    *CLASSES["long texts"][:9:8],
]


def part_of(name: str) -> str:
    """Return the row of the table that a tensor belongs to."""
    words = name.split(".")
    return f"layer {words[2]}" if words[0] == "encoder" else words[0]


def largest_errors(model: MiniLM, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the largest error of each precision in each part of the encoder."""
    inputs, _ = inputs_of_texts(model, texts)
    comparer = Comparer(Oracle(model), inputs)
    table: dict[str, dict[str, float]] = {}
    for precision in TOLERANCES:
        bert = load_bert(model.checkpoint.directory, precision)
        found = original_intermediates(bert, inputs.input_ids, inputs.attention_mask)
        for name, ours in comparer.ours.items():
            if name not in Inputs._fields and name in found:
                row = table.setdefault(part_of(name), {})
                error = float(comparer.errors(name, found[name], ours).max())
                row[precision] = max(row.get(precision, 0.0), error)
    return table


def tolerance_for(error: float) -> float:
    """Return at least twice the error, as 1, 2 or 5 times a power of 10."""
    power = 10.0 ** math.floor(math.log10(2 * error))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= 2 * error)


def main() -> None:
    """Fill the table."""
    warnings.simplefilter("ignore")
    head = [f"{precision}{column}" for precision in TOLERANCES for column in ("", ": tolerance")]
    lines = [["part", *head], ["---"] * (1 + len(head))]
    for part, errors in largest_errors(MiniLM(), TEXTS).items():
        lines.append(
            [part, *(f"{x:.1e}" for error in errors.values() for x in (error, tolerance_for(error)))]
        )
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    print(text)
    before, _, rest = PAGE.read_text("utf-8").partition("<!-- table tolerances -->\n")
    after = rest.partition("<!-- end -->")[2]
    PAGE.write_text(f"{before}<!-- table tolerances -->\n\n{text}\n\n<!-- end -->{after}", "utf-8")


if __name__ == "__main__":
    main()
