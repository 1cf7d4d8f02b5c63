"""Prints the largest difference seen of each public function, at the end of a run."""

from __future__ import annotations

import pytest

from tests.parity.differences import LARGEST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, where anything was compared."""
    if LARGEST:
        terminalreporter.section("largest difference from sentence-transformers")
        for function, difference in sorted(LARGEST.items()):
            terminalreporter.line(f"{function:<40} {difference:.1e}")
