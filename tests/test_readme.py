"""What the README shows is what happens; tests/test_docs.py runs its blocks, as those of every page."""

from __future__ import annotations

import re

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


def test_the_python_example_prints_what_it_says() -> None:
    example = blocks("python")[0]
    shape, score = output_of(example).splitlines()
    assert f"print(embeddings.shape)  # {shape}" in example.code
    assert f"# [[{float(score.strip('[]')):.4f}]]" in example.code


def test_the_example_in_the_place_of_sentence_transformers_finds_what_it_says() -> None:
    example = blocks("python")[1]
    assert "# corpus_id 1" in example.code
    assert re.match(r"\[\[\{'corpus_id': 1, ", output_of(example))
