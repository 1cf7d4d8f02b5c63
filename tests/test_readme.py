"""What the README shows is what happens."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


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


def test_security_md_states_the_limits_in_force_and_names_tests_that_exist() -> None:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    from minilm.server.protocol import HEAD_SECONDS, MAX_HEAD_BYTES
    from minilm.server.settings import Settings

    security = (ROOT / "SECURITY.md").read_text("utf-8")
    tests = re.findall(r"`(test_\w+\.py)`", security)
    assert len(set(tests)) >= 10
    assert all((ROOT / "tests" / name).exists() for name in tests)
    limits, said = Settings(), " ".join(security.split())
    assert f"{MAX_HEAD_BYTES // 1024} KiB of headers within {HEAD_SECONDS:g} seconds" in said
    body = f"an {limits.max_body_bytes // 2**20} MiB body within {limits.body_seconds:g} seconds"
    texts = f"{limits.max_texts:,} texts, {limits.max_characters:,} characters"
    assert f"{body}, {texts}" in said
    assert f"beyond {limits.max_queue_tokens:,} tokens" in said
