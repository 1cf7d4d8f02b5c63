"""The scripts in .ci/: which skipped tests are allowed, and when an audit counts as clean."""

from __future__ import annotations

import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"

pytestmark = pytest.mark.skipif(not CI.is_dir(), reason="only a source checkout has .ci")


def record(path: Path, *cases: tuple[str, str, str | None]) -> str:
    """Write a record as pytest does, with module, name and reason to skip of each test."""
    skip = '<skipped type="pytest.skip" message="{0}">{0}</skipped>'
    lines = [
        f'<testcase classname="{module}" name="{name}">{skip.format(why) if why else ""}</testcase>'
        for module, name, why in cases
    ]
    path.write_text(f"<testsuites><testsuite>{''.join(lines)}</testsuite></testsuites>", "utf-8")
    return str(path)


def test_a_test_that_was_skipped_in_every_run_fails_unless_its_reason_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skips = runpy.run_path(str(CI / "skips.py"))["main"]
    one = record(
        tmp_path / "1.xml",
        ("tests.a", "test_x", None),
        ("tests.a", "test_y", "only root"),
        ("", "tests.b", "torch is not installed"),
        ("tests.a", "test_z", "it is not here; MINILM_SHARED names the folder that holds it"),
    )
    two = record(tmp_path / "2.xml", ("tests.a", "test_y", "only root"), ("tests.b", "test_w", None))
    three = record(tmp_path / "3.xml", ("tests.a", "test_y", None))
    assert skips([one, two, three]) == 0
    assert capsys.readouterr().out.startswith("3 tests ran in at least one of 3 runs; allowed skips: 1\n")
    assert skips([one, two]) == 1
    assert "RAN NOWHERE: tests.a::test_y: only root" in capsys.readouterr().out
    assert skips([one, three]) == 1
    assert "RAN NOWHERE: tests.b: torch is not installed" in capsys.readouterr().out
    assert skips([record(tmp_path / "4.xml")]) == 1


Audit = Callable[[dict[str, list[dict[str, Any]] | None]], tuple[int, str]]


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Audit:
    """A function that runs audit.py with these answers of the services; None means unreachable."""
    module = runpy.run_path(str(CI / "audit.py"))

    def audit_with(answers: dict[str, list[dict[str, Any]] | None]) -> tuple[int, str]:
        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            packages = answers[command[command.index("--vulnerability-service") + 1]]
            if packages is None:
                return subprocess.CompletedProcess(command, 1, "", "ConnectionError")
            return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": packages}), "")

        monkeypatch.setattr(subprocess, "run", run)
        code = module["main"]()
        return code, capsys.readouterr().out

    return audit_with


KNOWN = [{"name": name, "version": "1", "vulns": []} for name in "abc"]
UNKNOWN = [{"name": "d", "skip_reason": "not to be found"}]
FAULTY = [{"name": "e", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]


def test_an_audit_is_clean_only_if_every_package_was_looked_up(audit: Audit) -> None:
    assert audit({"pypi": [*KNOWN, {"name": "minilm", "skip_reason": "editable"}]}) == (
        0,
        "clean: pypi has looked up 3 of 3 packages\n",
    )
    code, printed = audit({"pypi": KNOWN + UNKNOWN, "osv": None})
    assert code == 0
    assert "pypi has looked up 3 of 4 packages only, not d\n" in printed
    assert "AUDITED IN PART: no vulnerability in the 3 packages that could be looked up" in printed
    assert "clean" not in printed
    assert "clean: osv has looked up 3 of 3" in audit({"pypi": KNOWN + UNKNOWN, "osv": KNOWN})[1]
    assert "NOT AUDITED" in audit({"pypi": UNKNOWN, "osv": None})[1]
    code, printed = audit({"pypi": UNKNOWN + FAULTY, "osv": None})
    assert (code, printed) == (1, "e 1: CVE-1, fixed in ['2']\n")
