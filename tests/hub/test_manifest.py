"""hub/manifest.py: what the real manifest pins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minilm import hub
from minilm.checkpoint.files import MAX_JSON_BYTES
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, Manifest
from minilm.hub.manifest import dense_files, megabytes


def test_the_manifest_pins_the_published_files() -> None:
    manifest = hub.default_manifest()
    assert manifest.repo_id == hub.DEFAULT_MODEL == "sentence-transformers/all-MiniLM-L6-v2"
    assert manifest.revision == "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
    # as the Hub shows them beside the files
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
    # without these two a model is pooled as its maker did not mean it
    assert {"modules.json", "1_Pooling/config.json"} <= set(manifest.sha256)


def test_the_mirror_is_pinned_to_one_version() -> None:
    name, _, version = hub.default_manifest().mirror_requirement.partition("==")
    assert name
    assert version


def test_what_there_is_to_fetch_is_said_in_whole_mebibytes() -> None:
    manifest = Manifest("m", "o/m", "r", {}, {"a": 3 * 2**20, "b": 2**20 - 1}, "m==1", "m/")
    assert megabytes(manifest) == "4 MiB"


def test_the_files_of_dense_modules_are_those_that_the_modules_name(tmp_path: Path) -> None:
    assert dense_files(tmp_path) == []
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"path": "3_Dense", "type": "someone.else.Dense"},
        {"path": "../4_Dense", "type": "sentence_transformers.models.Dense"},
        {"path": "5_NotDense", "type": "sentence_transformers.models.NotDense"},
        {"type": "sentence_transformers.models.Dense"},
        {"path": None, "type": "sentence_transformers.models.Dense"},
        {"path": "6_Dense"},
        "7_Dense",
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert dense_files(tmp_path) == [
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "3_Dense/config.json",
        "3_Dense/model.safetensors",
    ]


def test_modules_of_more_bytes_than_they_may_have_are_not_read(tmp_path: Path) -> None:
    modules = b'[{"path": "2_Dense", "type": "a.Dense"}]'
    (tmp_path / "modules.json").write_bytes(modules.ljust(MAX_JSON_BYTES))
    assert dense_files(tmp_path) == ["2_Dense/config.json", "2_Dense/model.safetensors"]
    (tmp_path / "modules.json").write_bytes(modules.ljust(MAX_JSON_BYTES + 1))
    assert dense_files(tmp_path) == []


@pytest.mark.parametrize("content", [b'{"path": "2_Dense"}', b"7", b"[", b"\xff", b"[" * 100_000])
def test_modules_that_are_no_list_name_no_dense_module(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "modules.json").write_bytes(content)
    assert dense_files(tmp_path) == []
