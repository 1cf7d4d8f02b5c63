"""hub/manifest.py: what the real manifest pins, which files count, and which manifest a package uses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import minilm
from minilm import CheckpointError, hub
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES
from minilm.hub.manifest import ModelManifest, checkpoint_files
from tests.hub.world import FILES, PROJECT, fill


def test_the_manifest_pins_the_published_files() -> None:
    manifest = hub.default_manifest()
    assert manifest.repo_id == hub.DEFAULT_MODEL == "sentence-transformers/all-MiniLM-L6-v2"
    assert manifest.revision == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    # as the Hub shows them next to the files
    assert manifest.sizes["model.safetensors"] == 90_868_376
    assert manifest.sha256["model.safetensors"] == (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    )
    assert manifest.sha256["tokenizer.json"] == (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    )
    assert manifest.sha256["config.json"] == (
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
    )


def test_the_manifest_has_every_file_that_a_checkpoint_needs() -> None:
    manifest = hub.default_manifest()
    assert set(REQUIRED_FILES) <= set(manifest.sha256) <= {*REQUIRED_FILES, *OPTIONAL_FILES}
    assert set(manifest.sizes) == set(manifest.sha256)
    # without these two files the pooling would be wrong
    assert {"modules.json", "1_Pooling/config.json"} <= set(manifest.sha256)


def test_the_mirror_is_pinned_to_one_version() -> None:
    name, _, version = hub.default_manifest().mirror_requirement.partition("==")
    assert name
    assert version


def test_what_there_is_to_fetch_is_said_in_whole_mebibytes() -> None:
    manifest = ModelManifest("m", "o/m", "r", {}, {"a": 3 * 2**20, "b": 2**20 - 1}, "m==1", "m/")
    assert manifest.download_size == "4 MiB"


def test_the_files_of_a_checkpoint_are_those_that_minilm_reads(tmp_path: Path) -> None:
    fill(tmp_path, {**FILES, "README.md": b"", "config_sentence_transformers.json": b"{}", "vocab.txt": b""})
    directory = hub.Checkpoint(tmp_path, "directory")
    names = checkpoint_files(directory)
    assert names[0] == "config.json"
    assert set(names) == {*FILES, "config_sentence_transformers.json"}
    # for the default model only the files in the manifest count
    for name in FILES.keys() - {"config.json", "modules.json", "model.safetensors"}:
        (tmp_path / name).unlink()
    (tmp_path / "vocab.txt").unlink()
    assert checkpoint_files(replace(directory, is_default=True)) == [
        "config.json",
        "modules.json",
        "model.safetensors",
    ]
    with pytest.raises(CheckpointError, match=r"is not a complete checkpoint: tokenizer\.json is missing"):
        checkpoint_files(directory)


# ---------------------------------------------------------------------------------------------------------
# A source checkout, and an installed package


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The package in a folder like site-packages, with its manifest inside."""
    site = tmp_path / "site"
    package = Path(minilm.__file__).parent
    shutil.copytree(package, site / "minilm", ignore=shutil.ignore_patterns("__pycache__"))
    if not (site / "minilm" / "manifest.json").exists():
        shutil.copy(package.parent / "weights" / "manifest.json", site / "minilm")
    return site


def manifest_in(site: Path) -> tuple[str, str]:
    """The repository and the store in the manifest that a package in ``site`` uses."""
    code = "from minilm.hub import default_manifest as m; print(m().repo_id, m().store, sep='\\n')"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=site, capture_output=True, text=True, check=True
    )
    repo_id, store = result.stdout.splitlines()
    return repo_id, store


@pytest.mark.parametrize("has_project", [False, True], ids=["", "and a pyproject.toml"])
@pytest.mark.parametrize("is_valid", [False, True], ids=["of something else", "with a valid manifest"])
def test_a_folder_called_weights_beside_an_installed_package_is_not_its_store(
    site: Path, is_valid: bool, has_project: bool
) -> None:
    (site / "weights").mkdir()
    fields: dict[str, object] = {"layers": 3}
    if is_valid:
        fields = json.loads((site / "minilm" / "manifest.json").read_text()) | {"repo_id": "someone/else"}
    (site / "weights" / "manifest.json").write_text(json.dumps(fields))
    if has_project:
        (site / "pyproject.toml").write_text('[project]\nname = "minilm-tools"\ndependencies = ["minilm"]\n')
    assert manifest_in(site) == (hub.DEFAULT_MODEL, "None")


def test_a_checkout_has_its_store_in_the_folder_weights(site: Path) -> None:
    (site / "weights").mkdir()
    fields = json.loads((site / "minilm" / "manifest.json").read_text()) | {"repo_id": "someone/else"}
    (site / "weights" / "manifest.json").write_text(json.dumps(fields))
    (site / "pyproject.toml").write_text(PROJECT)
    assert manifest_in(site) == ("someone/else", str(site / "weights"))
    (site / "pyproject.toml").write_bytes(b"\xff")
    assert manifest_in(site) == (hub.DEFAULT_MODEL, "None")
    (site / "pyproject.toml").write_text(PROJECT)
    (site / "weights" / "manifest.json").unlink()
    assert manifest_in(site) == (hub.DEFAULT_MODEL, "None")
