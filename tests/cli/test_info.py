"""minilm info: what runs where, and whether the weights are the published ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM, __version__
from minilm.cli.main import main
from minilm.hub import copy_checkpoint
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.cli.running import failure


def test_info_describes_the_installation(capsys: pytest.CaptureFixture[str], model: MiniLM) -> None:
    assert main(["info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["minilm"] == __version__
    assert report["numpy"] == np.__version__
    assert report["sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert report["revision"] == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    assert str(model.checkpoint.directory) in report["weights"]
    assert " thread" in report["blas"]
    assert main(["info"]) == 0
    assert f"numpy            {np.__version__}\n" in capsys.readouterr().out


def test_info_reads_a_directory_of_ones_own_to_its_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    def checked(directory: Path) -> str:
        assert main(["info", "--json", "--model", str(directory)]) == 0
        return str(json.loads(capsys.readouterr().out)["checked"])

    copy = copy_checkpoint(model.checkpoint, tmp_path / "copy")
    published = "every file has the checksum published for sentence-transformers/all-MiniLM-L6-v2"
    assert checked(copy) == published
    (copy / "tokenizer_config.json").write_text("{}")  # by which it could be read otherwise
    assert checked(copy) == "it can be read as an embedder; there is no published checksum for it"
    reranker = write_cross_encoder(make_checkpoint)
    kinds = "an embedder and as a cross-encoder"  # the first without its classifier, by the mean
    assert checked(reranker) == f"it can be read as {kinds}; there is no published checksum for it"
    weights = copy / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size - 1)
    code, line = failure(capsys, "info", "--model", str(copy))
    assert (code, line.startswith(f"{weights} cannot be read as safetensors: ")) == (1, True)


def test_info_answers_without_weights(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", "--cache-folder", str(tmp_path)]) == 0
    assert "not on this machine; `minilm download` fetches them" in capsys.readouterr().out
