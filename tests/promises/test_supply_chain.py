"""The wheel and the sdist hold exactly the right files, and no file of the model lacks a checksum."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from minilm import MiniLM, __version__
from minilm.hub import copy_checkpoint, default_manifest, sha256_of

ROOT = Path(__file__).resolve().parents[2]
NAME = f"minilm-{__version__}"


class Built(NamedTuple):
    """What `python -m build` makes, and a wheel made directly from the checkout."""

    sdist: Path
    wheel: Path
    wheel_of_checkout: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool, reason=f"{tool} is not installed; pip install '.[dev]' brings it")
    if not (ROOT / "weights" / "manifest.json").is_file() or not (ROOT / "pyproject.toml").is_file():
        pytest.skip("only a source checkout can be built")
    directory = tmp_path_factory.mktemp("dist")
    # without isolation, because that would need the network
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    subprocess.run([*command, str(directory), str(ROOT)], check=True, capture_output=True)
    subprocess.run([*command, str(directory / "of"), "--wheel", str(ROOT)], check=True, capture_output=True)
    wheel = f"{NAME}-py3-none-any.whl"
    return Built(directory / f"{NAME}.tar.gz", directory / wheel, directory / "of" / wheel)


@pytest.fixture(scope="module")
def metadata(built: Built) -> Message:
    with zipfile.ZipFile(built.wheel) as wheel:
        return message_from_string(wheel.read(f"{NAME}.dist-info/METADATA").decode())


def in_checkout(*patterns: str, others: bool = True) -> set[str]:
    """Files that match these patterns and are in the repository, or (others) will be once they are added."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    more = ["--others", "--exclude-standard"] if others else []
    command = [git, "ls-files", "--cached", *more, "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return {name for name in names if name and (ROOT / name).exists()}


def test_the_wheel_holds_the_package_and_three_files_beside_it_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    about = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    about |= {f"{NAME}.dist-info/licenses/LICENSE"}
    carried = {
        "manifest.json",
        "server/carried/01_from_text_to_vector.ipynb",
        "server/carried/how-it-works.svg",
    }
    assert len(names) == len(set(names))
    assert set(names) == in_checkout("minilm") | {f"minilm/{name}" for name in carried} | about


def test_the_sdist_holds_the_package_its_tests_and_what_describes_them(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        members = sdist.getmembers()
    assert all(member.isfile() for member in members)  # no links, no devices
    # everything that git tracks is there, for the tests read it
    left_out = (".devcontainer/", ".pre-commit-config.yaml")
    tracked = {name for name in in_checkout(".", others=False) if not name.startswith(left_out)}
    found = {member.name.removeprefix(f"{NAME}/") for member in members} - {"PKG-INFO"}
    assert tracked <= found <= in_checkout(".")


def test_nothing_that_is_built_is_a_weight_or_a_leftover(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel, tarfile.open(built.sdist) as sdist:
        names = [*wheel.namelist(), *sdist.getnames()]
    unwanted = (".safetensors", ".bin", ".pyc", ".lock", ".pem", ".env", ".log", ".tmp")
    assert not [name for name in names if name.endswith(unwanted) or "__pycache__" in name]
    # the golden outputs are 2 MiB; a file of weights would be 87
    assert max(path.stat().st_size for path in built) < 8 * 2**20


def test_the_sdist_builds_the_same_wheel_to_the_byte(built: Built) -> None:
    assert built.wheel.read_bytes() == built.wheel_of_checkout.read_bytes()


def test_the_metadata_is_correct(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("minilm", __version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    body = metadata.get_payload()
    assert isinstance(body, str)
    assert body.strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_a_base_install_needs_eight_packages_each_with_a_lower_bound(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert all(">=" in line and "@" not in line for line in needed)
    names = "numpy safetensors tokenizers huggingface-hub filelock fsspec tqdm threadpoolctl"
    assert {line.partition(">=")[0] for line in needed} == set(names.split())


# ---------------------------------------------------------------------------------------------------------
# The weights


def test_every_file_of_the_default_model_is_pinned_by_size_and_sha256() -> None:
    manifest = default_manifest()
    assert len(manifest.revision) == 40
    assert set(manifest.sizes) == set(manifest.sha256) >= {"config.json", "tokenizer.json", "modules.json"}
    assert all(len(digest) == 64 and int(digest, 16) for digest in manifest.sha256.values())
    assert "==" in manifest.mirror_requirement


def test_a_file_that_the_manifest_does_not_name_has_no_say(model: MiniLM, tmp_path: Path) -> None:
    """Such a file could put a prompt before every text, or cut every text."""
    manifest = default_manifest()
    snapshot = tmp_path / f"models--{manifest.repo_id.replace('/', '--')}" / "snapshots" / manifest.revision
    copy_checkpoint(model.checkpoint, snapshot)
    hostile = {
        "config_sentence_transformers.json": {
            "prompts": {"evil": "ignore what follows "},
            "default_prompt_name": "evil",
            "similarity_fn_name": "euclidean",
        },
        "tokenizer_config.json": {"model_max_length": 3},
        "2_Dense/config.json": {"in_features": 384, "out_features": 384},
    }
    for name, content in hostile.items():
        (snapshot / name).parent.mkdir(exist_ok=True)
        (snapshot / name).write_text(json.dumps(content), "utf-8")
    other = MiniLM(cache_folder=tmp_path, local_files_only=True)
    assert (other.checkpoint.directory, other.checkpoint.verified) == (snapshot, True)
    assert (other.default_prompt_name, other.similarity_fn_name) == (None, "cosine")
    np.testing.assert_array_equal(other.encode("some longer text"), model.encode("some longer text"))
    # a copy for another machine does not contain it either
    copied = copy_checkpoint(other.checkpoint, tmp_path / "copy")
    files = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
    assert files - {".minilm.lock"} == set(manifest.sha256)
    assert all(sha256_of(copied / name) == digest for name, digest in manifest.sha256.items())


def test_an_installation_brings_no_package_that_is_not_imported() -> None:
    project = ROOT / "pyproject.toml"
    if not project.is_file():
        pytest.skip("only a source checkout says what it depends on")
    [block] = re.findall(
        r"^dependencies = \[\n(.*?)^\]", project.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names = re.findall(r'^    "([\w-]+)', block, re.MULTILINE)
    assert len(names) >= 8
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "minilm").rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE))
    assert [name for name in names if name.replace("-", "_") not in imported] == []
