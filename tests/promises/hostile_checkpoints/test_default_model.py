"""Damage of the default model. Every file has a known sha256, so the search goes on to the next place.

A store of a few kilobytes replaces ``weights/``, and a cache with the same files replaces the user's own. The
store is read while it is hashed, so the reader meets the damage before the hash is known.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from huggingface_hub import constants

from minilm import CheckpointNotFoundError, MiniLM, hub
from minilm.cli.main import main
from minilm.hub import find
from minilm.hub.manifest import ModelManifest
from tests.checkpoints import MakeCheckpoint
from tests.promises.hostile_checkpoints.refusing import deadline
from tests.promises.hostile_checkpoints.special_files import KINDS

FLIPS = int(os.environ.get("MINILM_FLIPS", "600")) // 12

Array = npt.NDArray[np.float32]


class Places:
    """The store, the cache, and the embedding of a text with a model from either."""

    def __init__(self, store: Path, cache: Path, expected: Array) -> None:
        self.store, self.cache, self.expected = store, cache, expected

    def must_pass_over_the_store(self) -> None:
        model = MiniLM()
        assert model.checkpoint.directory == self.cache
        np.testing.assert_array_equal(model.encode("a b c"), self.expected)


@pytest.fixture
def places(make_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    store = make_checkpoint("weights/tiny")
    names = [path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()]
    manifest = ModelManifest(
        name="tiny",
        repo_id=hub.DEFAULT_MODEL,
        revision="r",
        sha256={name: hub.sha256_of(store / name) for name in names},
        sizes={name: (store / name).stat().st_size for name in names},
        mirror_requirement="none",
        mirror_folder="",
        store=tmp_path / "weights",
    )
    monkeypatch.setattr(find, "default_manifest", lambda: manifest)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = MiniLM()
    assert model.checkpoint.directory == store
    cache = tmp_path / "cache" / f"models--{hub.DEFAULT_MODEL.replace('/', '--')}" / "snapshots" / "r"
    shutil.copytree(store, cache)
    return Places(store, cache, model.encode("a b c"))


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "config.json", "modules.json", "1_Pooling/config.json"]
)
def test_no_flipped_bit_in_the_store_is_used_or_stops_the_search(places: Places, name: str) -> None:
    content = (places.store / name).read_bytes()
    bits = 8 * len(content)
    for bit in random.Random(name).sample(range(bits), min(FLIPS, bits)):
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        (places.store / name).write_bytes(spoilt)
        places.must_pass_over_the_store()


def all_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def all_ones(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


SPOILERS: dict[str, Callable[[Path], None]] = {
    function.__name__: function for function in (all_zeros, all_ones, shorter, longer, empty)
}
if os.name == "posix":
    SPOILERS |= {kind: make for kind, (make, _) in KINDS.items()}


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "modules.json"])
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_no_damaged_store_is_used_and_without_another_place_the_file_is_named(
    places: Places, capsys: pytest.CaptureFixture[str], name: str, spoil: Callable[[Path], None]
) -> None:
    path = places.store / name
    if spoil.__name__ not in SPOILERS:  # this one creates another kind of file in its place
        path.unlink()
    spoil(path)
    with deadline(30):
        places.must_pass_over_the_store()
        shutil.rmtree(places.cache)
        with pytest.raises(CheckpointNotFoundError) as error:
            MiniLM()
    message = str(error.value)
    assert message.isprintable()
    assert f"store weights/ ({places.store}): {name} " in message
    assert main(["compare", "a", "b"]) == 1
    assert capsys.readouterr() == ("", f"minilm: {message}\n")


def test_swapped_files_are_not_used(places: Places) -> None:
    tokenizer, config = places.store / "tokenizer.json", places.store / "config.json"
    tokenizer.rename(places.store / "other")
    config.rename(tokenizer)
    (places.store / "other").rename(config)
    places.must_pass_over_the_store()


def test_damage_is_told_once_as_an_error_or_if_another_place_helps_as_a_warning(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    shorter(places.store / "tokenizer.json")
    places.must_pass_over_the_store()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"store weights/ ({places.store}): tokenizer.json is damaged (")
    assert record.getMessage().endswith("; the copy from the Hugging Face cache is used instead")
    caplog.clear()
    shutil.rmtree(places.cache)
    with pytest.raises(CheckpointNotFoundError, match=r"tokenizer\.json is damaged \("):
        MiniLM()
    # a log record without a handler would be one more line on the command's stderr
    assert caplog.records == []
