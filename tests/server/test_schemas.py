"""The OpenAPI document, and the service held to it by schemathesis: whatever is sent, no answer is a 5xx."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.serving import Server

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("schemathesis", reason="schemathesis is not installed")


def test_whatever_is_sent_is_answered_as_documented(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    server = Server("--reranker", str(write_cross_encoder(make_checkpoint)))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
        *("--checks", "all", "--max-examples", "200", "--workers", "2", "--no-color"),
        # the schema cannot say what only the model knows, such as which ids are in the vocabulary
        *("--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1"),
    ]
    try:
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert int(re.findall(r"([\d,]+) generated", result.stdout)[0].replace(",", "")) > 1000
        assert server.ask("/health")[0] == 200
        _, metrics, _ = server.ask("/metrics")
        assert not re.search(rb'status="5', metrics)
    finally:
        assert server.stop() == 0
