"""Pipes, sockets, devices, directories and circular links in place of files, and unreadable files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minilm import CheckpointError, CheckpointNotFoundError, MiniLM
from minilm.hub import OPTIONAL_FILES, REQUIRED_FILES, find_checkpoint
from tests.checkpoints import TINY, write_checkpoint
from tests.promises.hostile_checkpoints.refusing import Refusal, deadline
from tests.promises.hostile_checkpoints.special_files import KINDS, link_to, loop, pipe, unix_socket

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, modes and links as POSIX has them")


@pytest.mark.parametrize("name", [*REQUIRED_FILES, *OPTIONAL_FILES])
@pytest.mark.parametrize(("make", "reason"), KINDS.values(), ids=KINDS)
def test_what_is_no_file_is_refused_and_not_waited_for(
    directory: Path, refusal: Refusal, name: str, make: Callable[[Path], None], reason: str
) -> None:
    (directory / name).unlink(missing_ok=True)
    make(directory / name)
    with deadline(30):
        assert reason in refusal(directory, name)


@pytest.mark.parametrize("name", ["1_Pooling", "2_Dense"])
@pytest.mark.parametrize("make", [pipe, loop, link_to("/dev/null"), Path.touch])
def test_a_modules_folder_that_is_none_is_refused(
    directory: Path, refusal: Refusal, name: str, make: Callable[[Path], None]
) -> None:
    folders = ["", "1_Pooling", *(["2_Dense"] if name == "2_Dense" else [])]
    kinds = ["Transformer", "Pooling", "Dense"]
    modules = [
        {"name": folder, "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for folder, kind in zip(folders, kinds, strict=False)
    ]
    (directory / "modules.json").write_text(json.dumps(modules))
    shutil.rmtree(directory / name, ignore_errors=True)
    make(directory / name)
    with deadline(30):
        assert "cannot be read" in refusal(directory, f"{name}/config.json")


def test_a_link_in_a_circle_in_place_of_the_directory_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    loop(tmp_path / "model")
    assert "cannot be read: Too many levels of symbolic links" in refusal(tmp_path / "model", "")


@pytest.mark.parametrize("make", [pipe, unix_socket, Path.touch, link_to("/dev/zero"), link_to("nothing")])
def test_what_is_no_directory_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "model")
    with deadline(30), pytest.raises(CheckpointNotFoundError, match="is neither a directory on this machine"):
        MiniLM(str(tmp_path / "model"))


def test_links_that_lead_to_files_are_followed_as_in_a_hugging_face_cache(
    directory: Path, tmp_path: Path
) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    expected = MiniLM(directory).encode("a b").tolist()
    for number, name in enumerate(("config.json", "model.safetensors", "tokenizer.json")):
        (directory / name).rename(blobs / str(number))
        (directory / name).symlink_to(blobs / str(number))
    assert MiniLM(directory).encode("a b").tolist() == expected


# Unreadable files. Permissions do not stop root, who may run the tests, so these tests switch to nobody.

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(NOBODY)
    except OSError as error:
        pytest.skip(f"root that may not become another user: {error}")
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A checkpoint that every user can read, in a folder that every user can enter, unlike pytest's own."""
    root = Path(tempfile.mkdtemp())
    write_checkpoint(root / "a" / "model", TINY)
    (root / "a" / "model" / "tokenizer_config.json").write_text("{}")
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield root / "a" / "model"
    for path in (root, root / "a", root / "a" / "model", root / "a" / "model" / "1_Pooling"):
        path.chmod(0o755)
    shutil.rmtree(root)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "modules.json"])
def test_a_file_that_may_not_be_read_is_named(readable: Path, refusal: Refusal, name: str) -> None:
    (readable / name).chmod(0)
    with as_nobody():
        assert "Permission denied" in refusal(readable, name)


@pytest.mark.parametrize(
    "name", ["1_Pooling/config.json", "sentence_bert_config.json", "tokenizer_config.json"]
)
def test_a_file_that_may_be_missing_is_named_if_it_may_not_be_read(
    readable: Path, refusal: Refusal, name: str
) -> None:
    if name == "tokenizer_config.json":
        (readable / "sentence_bert_config.json").unlink()  # this file takes precedence
    (readable / name).chmod(0)
    with as_nobody():
        assert refusal(readable, name) == f"{name}: cannot be read: Permission denied"


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o222], ids=oct)
def test_a_directory_that_may_not_be_searched_is_named(readable: Path, refusal: Refusal, mode: int) -> None:
    readable.chmod(mode)
    with as_nobody():
        assert refusal(readable, "") == "config.json: cannot be read: Permission denied"


def test_a_folder_that_may_not_be_searched_is_not_taken_for_one_that_is_missing(
    readable: Path, refusal: Refusal
) -> None:
    (readable / "1_Pooling").chmod(0)
    with as_nobody():
        assert "cannot be read: Permission denied" in refusal(readable, "1_Pooling/config.json")


def test_a_directory_below_one_that_may_not_be_searched_is_named(readable: Path, refusal: Refusal) -> None:
    readable.parent.chmod(0)
    with as_nobody():
        assert refusal(readable, "") == ": cannot be read: Permission denied"


def test_a_repositorys_name_is_one_whatever_lies_in_its_way(
    readable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(readable.parent)
    loop(readable.parent / "someone")
    with pytest.raises(CheckpointNotFoundError, match="offline use was requested"):
        find_checkpoint("someone/model", local_files_only=True)
    (readable.parent / "someone").unlink()


def test_the_checkpoint_of_these_tests_may_be_read(readable: Path) -> None:
    with as_nobody():
        assert MiniLM(readable).encode("a").shape == (TINY.hidden_size,)
    with pytest.raises(CheckpointError):
        MiniLM(readable / "1_Pooling")
