"""The scripts in .ci/: parts by name, which tests may be skipped or left out, when an audit is clean."""

from __future__ import annotations

import json
import re
import runpy
import shutil
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


def test_the_files_that_take_longest_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "1.xml"
    cases = [("tests.a", "2.5"), ("tests.a.TestOne", "1.0"), ("tests.b", "9.0")]
    lines = [f'<testcase classname="{module}" name="x" time="{time}"/>' for module, time in cases]
    path.write_text(f"<testsuites><testsuite>{''.join(lines)}</testsuite></testsuites>", "utf-8")
    assert runpy.run_path(str(CI / "slowest.py"))["main"](str(path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "12 s in 3 tests of 2 files; the longest:",
        "     9.0 s in    1 tests: tests.b",
        "     3.5 s in    2 tests: tests.a",
    ]


def test_what_passed_before_is_left_out_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        ("tests.a", "test_x[b: c]", None),
        ("tests.a", "test_y", "no torch"),
        ("tests.b", "test_x", None),
    ]
    passed = runpy.run_path(str(CI / "passed.py"))["main"]
    assert passed(record(tmp_path / "1.xml", *cases), "tests/a.py", "tests/c.py") == 0
    assert capsys.readouterr().out == "--deselect=tests/a.py::test_x[b: c]\n"


bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash on this machine")


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(CI / "run"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def listed() -> list[str]:
    result = call("--list")
    assert (result.returncode, result.stderr) == (0, "")
    return [line.split()[0] for line in result.stdout.splitlines()]


@bash
def test_every_part_of_ci_is_listed_and_runs_in_the_whole_run() -> None:
    scripts = "".join(path.read_text("utf-8") for path in sorted((CI / "parts").glob("*.sh")))
    names = listed()
    assert sorted(names) == sorted(re.findall(r"^part_(\w+)\(\)", scripts, re.MULTILINE))
    whole = re.findall(r"run_parts ((?:\w+ ?)+)$", (CI / "run").read_text("utf-8"), re.MULTILINE)
    assert sorted(" ".join(whole).split()) == sorted(names)


@bash
def test_an_unknown_part_of_ci_is_refused_in_one_line() -> None:
    result = call("lint", "lnit")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == ".ci/run: no part is called 'lnit'; --list names them\n"


@bash
def test_the_workflows_call_parts_that_exist_and_leave_none_out() -> None:
    workflows = {
        path.name: path.read_text("utf-8") for path in (CI.parent / ".github/workflows").glob("*.yml")
    }
    assert sorted(workflows) == ["ci.yml", "release.yml"]
    called = re.findall(r"\.ci/run ((?:[a-z]+ ?)+)$", "\n".join(workflows.values()), re.MULTILINE)
    [block] = re.findall(r"^ +part:\n((?: +- [a-z ]+\n)+)", workflows["ci.yml"], re.MULTILINE)
    assert set(" ".join([*called, *re.findall(r"- (.+)", block)]).split()) == set(listed())


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
