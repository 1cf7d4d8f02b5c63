"""Fixtures for the tests of minilm/hub/: every place as a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minilm.hub import manifest, mirror
from tests.fake_hub import FakeHub
from tests.hub.world import (
    FILES,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    REVISION,
    FakePip,
    World,
    close_connections,
    make_checkout,
    point_at,
    set_constant,
)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    store, cache = tmp_path / "weights", tmp_path / "cache"
    make_checkout(tmp_path, monkeypatch)
    with FakeHub() as fake_hub:
        fake_hub.add(REPO_ID, REVISION, FILES)
        pip = FakePip(tmp_path / "pip")
        monkeypatch.setattr(mirror, "_pip", lambda: pip.command)

        point_at(fake_hub.endpoint, monkeypatch)
        set_constant(monkeypatch, "HF_HUB_CACHE", str(cache))
        set_constant(monkeypatch, "HF_HUB_OFFLINE", False)
        # the tests use neither the user's token nor huggingface_hub's files in the home directory
        set_constant(monkeypatch, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
        set_constant(monkeypatch, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
        close_connections()
        yield World(store, cache, fake_hub, pip)
        close_connections()
    monkeypatch.undo()
    # other tests must read the real manifest
    manifest.default_manifest.cache_clear()


@pytest.fixture
def other(world: World) -> World:
    """The same world, with a second repository on the Hub that has no manifest."""
    world.hub.add(OTHER, OLD, OLD_FILES)
    return world
