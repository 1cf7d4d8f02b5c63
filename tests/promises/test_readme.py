"""The figures in the README are right. test_docs.py runs its code blocks, like those of every page."""

from __future__ import annotations

import re

import pytest

from tests.snippets import ROOT, sections

BLOCKS = [block for section in sections("README.md") for block in section.blocks]


def test_the_first_two_blocks_are_one_line_each() -> None:
    first, second = BLOCKS[:2]
    assert first.language == second.language == "sh"
    assert first.code.count("\n") == second.code.count("\n") == 1
    assert "minilm compare" in first.code
    assert "pytest" in second.code


def test_the_readme_fits_in_a_few_screens() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 120


def test_security_md_states_the_limits_in_force_and_names_tests_that_exist() -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    from minilm.server.protocol import HEAD_SECONDS, MAX_HEAD_BYTES
    from minilm.server.settings import ServerSettings

    security = (ROOT / "SECURITY.md").read_text("utf-8")
    tests = re.findall(r"`(test_\w+\.py)`", security)
    assert len(set(tests)) >= 10
    there = {path.name for path in (ROOT / "tests").rglob("*.py")}
    assert set(tests) <= there
    limits, said = ServerSettings(), " ".join(security.split())
    assert f"{MAX_HEAD_BYTES // 1024} KiB of headers within {HEAD_SECONDS:g} seconds" in said
    body = f"an {limits.max_body_bytes // 2**20} MiB body within {limits.body_seconds:g} seconds"
    texts = f"{limits.max_texts:,} texts, {limits.max_characters:,} characters"
    assert f"{body}, {texts}" in said
    assert f"beyond {limits.max_queue_tokens:,} tokens" in said
