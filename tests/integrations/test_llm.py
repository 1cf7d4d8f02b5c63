"""minilm/integrations/llm.py by llm's own command, which finds it by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close


@pytest.fixture
def llm(tmp_path: Path) -> Any:
    pytest.importorskip("llm", reason="llm is not installed")

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "llm", *arguments]
        environment = {**os.environ, "LLM_USER_PATH": str(tmp_path)}
        finished = subprocess.run(
            command, input=given, check=False, capture_output=True, text=True, env=environment
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        return finished

    return run


@pytest.mark.parametrize("name", ["minilm", "all-MiniLM-L6-v2"])
def test_embed_prints_the_vector(llm: Any, model: MiniLM, name: str) -> None:
    close(json.loads(llm("embed", "-m", name, "-c", QUERY).stdout), model.encode(QUERY))


def test_a_long_text_has_a_note_on_stderr(llm: Any, model: MiniLM) -> None:
    long = "word " * 600
    embedded = llm("embed", "-m", "minilm", given=long)
    with pytest.warns(UserWarning, match="1 of 1 texts were cut"):
        close(json.loads(embedded.stdout), model.encode(long))
    assert "TruncationWarning: 1 of 1 texts" in embedded.stderr


def test_similar_texts_come_in_the_order_of_their_scores(llm: Any, model: MiniLM) -> None:
    texts = TEXTS[:3]
    rows = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    arguments = ("-m", "minilm", "--format", "json", "--store", "--batch-size", "2")
    llm("embed-multi", "notes", "-", *arguments, given=json.dumps(rows))
    found = [json.loads(line) for line in llm("similar", "notes", "-c", QUERY).stdout.splitlines()]
    scores = dict(enumerate(model.similarity(QUERY, texts)[0].tolist()))
    expected = sorted(scores, key=lambda row: -scores[row])
    assert [(hit["id"], hit["content"]) for hit in found] == [(str(i), texts[i]) for i in expected]
    # llm stores float32 and computes the cosine itself
    assert [hit["score"] for hit in found] == pytest.approx([scores[i] for i in expected], abs=1e-6)


def test_help_loads_no_weights(llm: Any) -> None:
    """Every command imports every plugin."""
    program = (
        "import sys; from llm import get_embedding_model; get_embedding_model('minilm')\n"
        "from minilm.integrations import models\n"
        "print(models._load_shared.cache_info().currsize)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "0\n"
    assert "minilm" in llm("embed-models").stdout
