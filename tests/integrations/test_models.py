"""minilm/integrations/models.py: a model is loaded once per process, and shared."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from minilm import MiniLM
from minilm.integrations import clusters, models

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_threads_that_call_together_load_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(name: str, *, threads: int) -> object:
        time.sleep(0.05)  # so that all are there before the first is done
        loaded.append(f"{name} {threads}")
        return object()

    monkeypatch.setattr(models, "MiniLM", load)
    models._load_shared.cache_clear()
    try:
        callers = [threading.Thread(target=clusters.Embedder, args=("a name",)) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        models._load_shared.cache_clear()
    assert loaded == ["a name 1"]


def test_a_model_passes_and_a_name_is_loaded_once(model: MiniLM) -> None:
    directory = model.checkpoint.directory
    assert models.as_model(model) is model
    shared = models.as_model(directory)
    assert shared is not model
    assert models.as_model(str(directory)) is shared
    assert models.shared_model(str(directory), 1) is not shared
    assert models.shared_model(str(directory), 1).threads == 1


def test_a_name_gives_the_same_model_elsewhere(model: MiniLM, tmp_path: Path) -> None:
    assert models.name_of(model) == model.checkpoint.repo_id
    assert models.name_of(MiniLM(model.checkpoint.directory)) in (
        model.checkpoint.repo_id,
        str(model.checkpoint.directory),
    )
    assert models.name_of(tmp_path) == str(tmp_path)
