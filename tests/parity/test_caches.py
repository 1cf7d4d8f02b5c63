"""Models from caches of huggingface_hub, beside sentence-transformers, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import constants, file_download

from minilm import CheckpointNotFoundError, CrossEncoder, MiniLM
from tests.checkpoints import TINY, MakeCheckpoint, write_cross_encoder
from tests.fake_hub import FakeHub

pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order; the components are of the order of 1.
BOUND = 2e-6

REPO_ID, COMMIT = "someone/model", "a" * 40
TOKENIZER = {"tokenizer_class": "BertTokenizer", "model_max_length": TINY.max_seq_length}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub that has no repository yet."""
    with FakeHub() as hub:
        template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):
            for name, value in (("ENDPOINT", hub.endpoint), ("HUGGINGFACE_CO_URL_TEMPLATE", template)):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(
            constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"), raising=False
        )
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()
        yield hub
        huggingface_hub.close_session()


def publish(hub: FakeHub, directory: Path) -> None:
    """Put a checkpoint onto the Hub, with the two files that every repository has."""
    (directory / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
    (directory / "README.md").write_text("")
    (directory / ".gitattributes").write_text("")
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    hub.add(REPO_ID, COMMIT, {path.relative_to(directory).as_posix(): path.read_bytes() for path in files})


def fill_by(library: str, *classes: str) -> Callable[[Path], object]:
    """Load a model in another process: the libraries keep the address of the Hub from their import."""

    def fill(cache: Path) -> None:
        is_original = library == "sentence_transformers"
        option, method = ("cache_folder", "") if is_original else ("cache_dir", ".from_pretrained")
        loads = [f"{library}.{name}{method}({REPO_ID!r}, {option}={str(cache)!r})" for name in classes]
        subprocess.run(
            [sys.executable, "-c", "\n".join([f"import {library}", *loads])],
            check=True,
            capture_output=True,
            timeout=300,
            env={**os.environ, "HF_ENDPOINT": constants.ENDPOINT, "HF_HOME": str(cache.with_name("home"))},
        )

    return fill


def fill_whole(cache: Path, **options: Any) -> None:
    huggingface_hub.snapshot_download(REPO_ID, cache_dir=cache, **options)


def fill_as_older_releases_did(cache: Path) -> None:
    fill_whole(cache)
    forget_lists(cache)


def fill_without_links(cache: Path) -> None:
    fill_whole(cache)
    shutil.copytree(cache, cache.with_name("copy"))  # which follows links
    shutil.rmtree(cache)
    cache.with_name("copy").rename(cache)


def forget_lists(cache: Path) -> None:
    """Remove the lists of files, which older releases do not keep."""
    for folder in cache.glob("*/trees"):
        shutil.rmtree(folder)
    lists = getattr(huggingface_hub, "_tree_cache", None)
    if lists is not None:  # they are kept in memory as well
        lists._IN_MEMORY_TREE_CACHE.clear()


WAYS: dict[str, Callable[[Path], object]] = {
    "whole": fill_whole,
    "as older releases did": fill_as_older_releases_did,
    "without links": fill_without_links,
    "JSON and weights": lambda cache: fill_whole(cache, allow_patterns=["*.json", "*.safetensors"]),
}


def offline(
    hub: FakeHub,
    directory: Path,
    fill: Callable[[Path], object],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """The arguments that open a published checkpoint from a cache, once the network is gone."""
    publish(hub, directory)
    fill(cache)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return {"cache_folder": str(cache), "local_files_only": True}


@pytest.mark.parametrize("fill", [*WAYS.values(), fill_by("sentence_transformers", "SentenceTransformer")])
@pytest.mark.parametrize("has_modules", [True, False], ids=["with modules", "plain BERT"])
def test_embeddings_are_the_originals(
    hub: FakeHub,
    make_checkpoint: MakeCheckpoint,
    tmp_path: Path,
    fill: Callable[[Path], object],
    has_modules: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = make_checkpoint()
    if not has_modules:
        shutil.rmtree(directory / "1_Pooling")
        for name in ("modules.json", "sentence_bert_config.json"):
            (directory / name).unlink()
    source = offline(hub, directory, fill, tmp_path / "cache", monkeypatch)
    texts = ["a b c", "", "d e f g h"]
    model = MiniLM(REPO_ID, **source)
    original = sentence_transformers.SentenceTransformer(REPO_ID, device="cpu", **source)
    assert model.max_seq_length == original.max_seq_length
    np.testing.assert_allclose(model.encode(texts), original.encode(texts), rtol=0, atol=BOUND)


@pytest.mark.parametrize("fill", [*WAYS.values(), fill_by("sentence_transformers", "CrossEncoder")])
def test_scores_are_the_originals(
    hub: FakeHub,
    make_checkpoint: MakeCheckpoint,
    tmp_path: Path,
    fill: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = write_cross_encoder(make_checkpoint)
    shutil.rmtree(directory / "1_Pooling")
    for name in ("modules.json", "sentence_bert_config.json"):
        (directory / name).unlink()
    source = offline(hub, directory, fill, tmp_path / "cache", monkeypatch)
    pairs = [("a b", "c"), ("d", "e f")]
    original = sentence_transformers.CrossEncoder(REPO_ID, device="cpu", **source)
    np.testing.assert_allclose(
        CrossEncoder(REPO_ID, **source).predict(pairs), original.predict(pairs), rtol=0, atol=BOUND
    )


def test_a_cache_that_transformers_filled_may_lack_the_pooling(
    hub: FakeHub, make_checkpoint: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the original takes the mean without normalization here; online it does what modules.json says
    publish(hub, make_checkpoint())
    fill_by("transformers", "AutoTokenizer", "AutoModel")(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source: dict[str, Any] = {"cache_folder": str(tmp_path / "cache"), "local_files_only": True}
    original = sentence_transformers.SentenceTransformer(REPO_ID, device="cpu", **source)
    assert abs(np.linalg.norm(original.encode("a b c")) - 1) > 0.1
    with pytest.raises(
        CheckpointNotFoundError, match=r"modules\.json of revision a+ is not there, and the cache"
    ):
        MiniLM(REPO_ID, **source)
