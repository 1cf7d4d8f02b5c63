"""Check every implementation and every fault, and fill the tables of docs/check.md with what was found.

pip install -e ".[implementations]"
npm install --prefix FOLDER --ignore-scripts @huggingface/transformers
MINILM_NODE=FOLDER python -m tests.check.make_tables
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from minilm import MiniLM
from minilm.check.findings import Check
from minilm.check.recipe import Recipe
from minilm.check.rounding import ROUNDINGS
from minilm.check.targets.function import FunctionTarget
from minilm.check.variants import Variants
from minilm.pooling import normalize
from tests.check.checks import check_implementation, check_target, differences
from tests.check.faults import FAULTS, OTHER_FAULTS, Changes
from tests.check.implementations import IMPLEMENTATIONS, REAL_FAULTS
from tests.check.other import make_other_variants

PAGE = Path(__file__).resolve().parents[2] / "docs" / "check.md"
HEADS = {
    "implementations": ["implementation", "versions", "verdict", "largest error"],
    "faults": ["fault", "seeded into", "found", "missed", "found besides"],
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n\n"


def fault_row(name: str, by: str, expected: set[str], check: Check) -> list[str]:
    """Return what was found of a fault: what should be, and what else."""
    found = differences(check) | ({check.precision} - {"float32"})
    missed = ", ".join(sorted(expected - found))
    return [
        name,
        by,
        ", ".join(sorted(expected & found)) or "-",
        missed or "-",
        ", ".join(sorted(found - expected)) or "-",
    ]


def implementations(variants: Variants, folder: Path) -> list[list[str]]:
    """Return a row for each implementation that is installed."""
    rows = []
    for name, one in IMPLEMENTATIONS.items():
        try:
            check = check_implementation(name, one, variants, folder, quick=False)
        except pytest.skip.Exception as error:
            print(f"left out: {name}: {error}")
            continue
        rows.append([name, one.versions(), check.verdict, f"{check.largest:.1e}"])
        print(*rows[-1], sep="; ", flush=True)
    return rows


def seeded(
    table: Mapping[str, tuple[Changes, set[str]]], by: str, variants: Variants, *, quick: bool
) -> list[list[str]]:
    """Return a row for each fault of a table that is seeded into minilm's encoder."""
    rows = []
    for name, (changes, expected) in table.items():
        recipe = Recipe().changed(**changes)

        def encode(texts: list[str], recipe: Recipe = recipe) -> object:
            return normalize(variants.vectors(recipe, texts))

        check = check_target(FunctionTarget(name, encode), variants, quick=quick)
        roundings = expected & ROUNDINGS.keys()
        precisions = {ROUNDINGS[rounding][0] for rounding in roundings}
        rows.append(fault_row(name, by, expected - roundings | precisions, check))
    return rows


def faults(variants: Variants, folder: Path) -> list[list[str]]:
    """Return a row for each fault."""
    rows = []
    for name, one in REAL_FAULTS.items():
        check = check_implementation(name, one, variants, folder)
        expected = {*one.findings} | ({one.precision} - {"float32"})
        rows.append(fault_row(name, "transformers", expected, check))
    rows += seeded(FAULTS, "minilm", variants, quick=True)
    other = make_other_variants(variants.model, folder / "other")
    rows += seeded(OTHER_FAULTS, "a small model", other, quick=False)
    return rows


def main() -> None:
    """Fill the tables."""
    warnings.simplefilter("ignore")
    variants, folder = Variants(MiniLM()), Path(tempfile.mkdtemp())
    makers = {"implementations": implementations, "faults": faults}
    tables = {name: table(HEADS[name], makers[name](variants, folder)) for name in sys.argv[1:] or makers}
    page = PAGE.read_text("utf-8")
    for name, text in tables.items():
        before, rest = page.split(f"<!-- table {name} -->\n")
        page = f"{before}<!-- table {name} -->\n{text}<!-- end -->{rest.partition('<!-- end -->')[2]}"
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
