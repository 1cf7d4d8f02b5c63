"""Packages that run unchanged on minilm instead of sentence-transformers: a table of docs/integrations.md.

    python -m benchmarks.unchanged [--quick]

Each runs in a process of its own, after minilm.integrations.sentence_transformers.install(). It prints the
table and writes results/unchanged.json, from which benchmarks/report.py fills the page. It fails if a
package's vectors are further from sentence-transformers than float32 explains, or a package is absent. It
needs the extras "golden" and "peers".
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.harness import begin, options, print_table, write
from benchmarks.integrations import BOUND, ORIGINAL
from benchmarks.report import unchanged_packages
from minilm import MiniLM
from tests.integrations.unchanged import UNCHANGED, WITHOUT_TORCH, run
from tests.parity.texts import TEXTS


def main() -> None:
    """Run, print, write."""
    arguments = begin(options(__doc__, threads=False, rounds=None))
    from sentence_transformers import SentenceTransformer

    texts = TEXTS[:20] if arguments.quick else TEXTS
    directory = str(MiniLM().checkpoint.directory)
    theirs = SentenceTransformer(directory, device="cpu").encode(texts)
    results: dict[str, dict[str, Any]] = {}
    for one in UNCHANGED:
        ours = np.asarray(run(one.program, "" if one.needs_torch else WITHOUT_TORCH, texts))
        results[one.project] = {
            "package": one.package,
            "written": one.written.replace(f"{one.module}.", "", 1).replace("NAME", '"all-MiniLM-L6-v2"'),
            "version": version(one.package),
            "difference": float(np.abs(ours - theirs).max()),
            "needs_torch": one.needs_torch,
        }
    print_table(*unchanged_packages(results))
    write("unchanged", arguments, results, texts=len(texts))
    if far := [project for project, row in results.items() if row["difference"] > BOUND]:
        sys.exit(f"further than {BOUND} from {ORIGINAL}: {', '.join(far)}")


if __name__ == "__main__":
    main()
