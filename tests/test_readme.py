"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_first_two_blocks_are_one_line_each() -> None:
    first, second = blocks("sh")[:2]
    assert README.index("```") == README.index("```sh\n" + first)
    assert first.count("\n") == second.count("\n") == 1
    assert "minilm compare" in first
    assert "pytest" in second


def output_of(example: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example, {})
    return printed.getvalue()


def test_the_python_example_prints_what_it_says() -> None:
    example = blocks("python")[0]
    shape, score = output_of(example).splitlines()
    assert f"print(embeddings.shape)  # {shape}" in example
    assert f"# [[{float(score.strip('[]')):.4f}]]" in example


def test_the_example_in_the_place_of_sentence_transformers_finds_what_it_says() -> None:
    example = blocks("python")[1]
    assert "# corpus_id 1" in example
    assert re.match(r"\[\[\{'corpus_id': 1, ", output_of(example))
