"""minilm download: a copy of the checkpoint that another machine can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm import MiniLM
from minilm.cli.main import main
from tests.cli.running import A, B


def test_download_makes_a_copy_to_carry_away(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: MiniLM
) -> None:
    target = tmp_path / "copy"
    assert main(["download", "--local-dir", str(target)]) == 0
    assert f"every file has its published checksum, in {target}" in capsys.readouterr().out
    assert main(["compare", A, B, "--model", str(target), "--local-files-only"]) == 0
    assert capsys.readouterr().out == "Score: 0.8052\n"
    assert model.checkpoint.verified
