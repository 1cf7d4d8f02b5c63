"""Prints the largest difference seen of each public function, at the end of a run.

``MINILM_DIFFERENCES=FILE`` writes them as JSON as well, for benchmarks/report.py.
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

import pytest

from minilm.fast.blas import blas_info
from tests.parity.differences import LARGEST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, where anything was compared."""
    if LARGEST:
        terminalreporter.section("largest difference from sentence-transformers")
        for function, difference in sorted(LARGEST.items()):
            terminalreporter.line(f"{function:<40} {difference:.1e}")


def pytest_sessionfinish(exitstatus: int) -> None:
    """The file, where one is asked for and all tests passed."""
    path = os.environ.get("MINILM_DIFFERENCES")
    if path and LARGEST and exitstatus == pytest.ExitCode.OK:
        packages = ("numpy", "sentence-transformers", "torch", "transformers")
        report = {
            "blas": blas_info()._asdict(),
            "versions": {package: version(package) for package in packages},
            "results": dict(sorted(LARGEST.items())),
        }
        Path(path).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
