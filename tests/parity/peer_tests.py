"""Run sentence-transformers' own tests of inference, with the library itself and with minilm in its place.

    git clone https://github.com/huggingface/sentence-transformers
    pip install -e ".[golden]"
    python -m tests.parity.peer_tests sentence-transformers [--reference FILE]

Small random models stand in for those that the tests download; see peer_hub.py. A test counts if it passes
with the library on them. Each one that then fails with minilm must have its reason in peer_reasons.py.
Nothing of the library's repository is part of this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.parity.peer_hub import fill
from tests.parity.peer_reasons import reason_for

HERE = Path(__file__).resolve().parent
FILES = [
    "tests/util/test_similarity.py",
    "tests/util/test_tensor.py",
    "tests/util/test_retrieval.py",
    "tests/util/test_quantization.py",
    "tests/sentence_transformer/test_model.py",
    "tests/sentence_transformer/test_compute_embeddings.py",
    "tests/sentence_transformer/test_multi_process.py",
    "tests/cross_encoder/test_model.py",
    "tests/cross_encoder/test_multi_process.py",
]


def run_tests(checkout: Path, cache: Path, report: Path, *, is_minilm: bool) -> None:
    """Run the tests, and write pytest's report."""
    plugin = ["-p", "peer_plugin"] if is_minilm else []
    paths = f"{HERE.parents[1]}{os.pathsep}{HERE}"
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    options = ["-q", "-p", "no:cacheprovider", "--junitxml", str(report.resolve()), "-m", "slow or not slow"]
    command = [sys.executable, "-m", "pytest", *plugin, *options, *FILES]
    subprocess.run(command, cwd=checkout, env=environment, check=False, stdout=subprocess.DEVNULL)


def outcomes(report: Path) -> dict[str, str]:
    """The outcome of every test in a report: "passed", "failure", "error" or "skipped"."""
    results = {}
    for test in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in test} & {"failure", "error", "skipped"}
        name = f"{test.get('classname', '').replace('.', '/')}.py::{test.get('name')}"
        if name.partition("::")[0] in FILES:
            results[name] = next(iter(kinds), "passed")
    return results


def main() -> int:
    """Run both, and print what passes, and why the rest does not apply."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a clone of sentence-transformers")
    parser.add_argument("--reference", type=Path, help="the library's own report; written if it is missing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache, report = Path(folder) / "hub", Path(folder) / "minilm.xml"
        fill(cache)
        original = arguments.reference or Path(folder) / "original.xml"
        if not original.exists():
            run_tests(arguments.checkout, cache, original, is_minilm=False)
        run_tests(arguments.checkout, cache, report, is_minilm=True)
        reference, ours = outcomes(original), outcomes(report)
    passing = [name for name, outcome in reference.items() if outcome == "passed"]
    failing = [name for name in passing if ours.get(name) != "passed"]
    reasons = {name: reason_for(name) for name in failing}
    print(f"{len(passing)} tests pass with sentence-transformers; {len(passing) - len(failing)} with minilm")
    for reason, count in Counter(reasons.values()).most_common():
        print(f"| {count} | {reason or 'WITHOUT A REASON'} |")
    unexplained = [name for name, reason in reasons.items() if reason is None]
    print(*unexplained, sep="\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
