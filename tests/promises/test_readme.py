"""The figures in the README are right. test_docs.py runs its code blocks, like those of every page."""

from __future__ import annotations

import re

import pytest

from tests.snippets import ROOT, Block, Runner, sections

BLOCKS = [block for section in sections("README.md") for block in section.blocks]


def blocks(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_the_first_two_blocks_are_one_line_each() -> None:
    first, second = BLOCKS[:2]
    assert first.language == second.language == "sh"
    assert first.code.count("\n") == second.code.count("\n") == 1
    assert "minilm compare" in first.code
    assert "pytest" in second.code


def output_of(example: Block) -> str:
    return Runner(ROOT).run(example)


def test_the_python_example_prints_its_output() -> None:
    example = blocks("python")[0]
    shape, score = output_of(example).splitlines()
    assert f"print(embeddings.shape)  # {shape}" in example.code
    assert f"# [[{float(score.strip('[]')):.4f}]]" in example.code


def test_the_sentence_transformers_example_prints_its_output() -> None:
    example = blocks("python")[1]
    assert "# corpus_id 1" in example.code
    assert re.match(r"\[\[\{'corpus_id': 1, ", output_of(example))


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
