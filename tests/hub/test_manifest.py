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
from minilm.checkpoint.config import read_modules
from minilm.checkpoint.files import MAX_JSON_BYTES
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES
from minilm.hub.manifest import ModelManifest, checkpoint_files, named_files
from tests.hub.world import PROJECT, fill


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


GOOD = [
    {"name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
    {"name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"},
]


def test_the_files_of_dense_modules_are_those_that_the_modules_name(tmp_path: Path) -> None:
    assert named_files(tmp_path) == []
    (tmp_path / "modules.json").write_text(json.dumps(GOOD[:2]))
    assert named_files(tmp_path) == []
    (tmp_path / "modules.json").write_text(json.dumps(GOOD))
    assert named_files(tmp_path) == [
        "2_Dense/config.json",
        "3_Dense/config.json",
        "2_Dense/model.safetensors",
        "3_Dense/model.safetensors",
    ]


def test_the_parts_of_large_weights_are_those_that_their_index_names(tmp_path: Path) -> None:
    places = {"a": "model-00002-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert named_files(tmp_path) == sorted(places.values())
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../b"}}))
    assert named_files(tmp_path) == []


@pytest.mark.parametrize(
    "module",
    [
        {"name": "4", "path": "../4_Dense", "type": "sentence_transformers.models.Dense"},
        {"name": "4", "path": "x" * 100, "type": "sentence_transformers.models.Dense"},
        {"path": "5_NotDense", "type": "sentence_transformers.models.NotDense"},
        {"type": "sentence_transformers.models.Dense"},
        {"path": None, "type": "sentence_transformers.models.Dense"},
        {"path": "6_Dense"},
        "7_Dense",
    ],
)
def test_modules_that_no_load_would_accept_name_no_file(tmp_path: Path, module: object) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([*GOOD, module]))
    assert named_files(tmp_path) == []
    with pytest.raises(CheckpointError, match=r"modules\.json"):
        read_modules(tmp_path)


def test_modules_of_more_bytes_than_they_may_have_are_not_read(tmp_path: Path) -> None:
    modules = json.dumps(GOOD[:3]).encode()
    (tmp_path / "modules.json").write_bytes(modules.ljust(MAX_JSON_BYTES))
    assert "2_Dense/model.safetensors" in named_files(tmp_path)
    (tmp_path / "modules.json").write_bytes(modules.ljust(MAX_JSON_BYTES + 1))
    assert named_files(tmp_path) == []


@pytest.mark.parametrize("content", [b'{"path": "2_Dense"}', b"7", b"[", b"\xff", b"[" * 100_000])
def test_modules_that_are_no_list_name_no_dense_module(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "modules.json").write_bytes(content)
    assert named_files(tmp_path) == []


def test_the_files_of_a_checkpoint_are_those_that_minilm_reads(tmp_path: Path) -> None:
    fill(tmp_path, {"config.json": b"{}", "README.md": b"", "config_sentence_transformers.json": b"{}"})
    fill(tmp_path / "2_Dense", {"config.json": b"{}"})
    (tmp_path / "modules.json").write_text(json.dumps(GOOD))
    directory = hub.Checkpoint(tmp_path, "directory")
    assert checkpoint_files(directory) == [
        "config.json",
        "modules.json",
        "config_sentence_transformers.json",
        "2_Dense/config.json",
    ]
    # for the default model only the files in the manifest count
    assert checkpoint_files(replace(directory, is_default=True)) == ["config.json", "modules.json"]


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
