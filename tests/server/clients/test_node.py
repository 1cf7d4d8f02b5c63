"""Clients for JavaScript, in Node: one script per client in the folder node/.

To install them: ``npm install --no-package-lock --prefix tests/server/clients/node``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from tests.server.clients.expected import DOCUMENTS, KEY, LONG, QUERY, assert_ranking, assert_vectors
from tests.serving import BOUND, A, B, Server

FOLDER = Path(__file__).parent / "node"


def run_script(name: str, package: str, server: Server, texts: list[str]) -> Any:
    """What a script in node/ prints about the texts."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules" / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed")
    command = [node, str(FOLDER / f"{name}.mjs"), server.url, KEY, json.dumps(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("script", "package"),
    [
        ("openai", "openai"),
        ("ai", "@ai-sdk/openai-compatible"),
        ("langchain", "@langchain/openai"),
        ("huggingface", "@huggingface/inference"),
        ("ollama", "ollama"),
    ],
)
def test_vectors(with_key: Server, model: MiniLM, script: str, package: str) -> None:
    assert_vectors(run_script(script, package, with_key, [A, B, LONG]), model, [A, B, LONG])


def test_similarity(with_key: Server, model: MiniLM) -> None:
    scores = run_script("similarity", "@huggingface/inference", with_key, [A, B, LONG])
    expected = model.similarity(model.encode([A]), model.encode([B, LONG]))[0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=BOUND)


def test_ranking(with_key: Server, reranker: CrossEncoder) -> None:
    assert_ranking(run_script("cohere", "cohere-ai", with_key, [QUERY, *DOCUMENTS]), reranker)
