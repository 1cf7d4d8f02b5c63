"""Fixtures: the real model, loaded once, and small checkpoints with random weights."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from minilm import MiniLM, ModelConfig
from minilm.checkpoint.weights import load_parameters
from tests.checkpoints import TINY, MakeCheckpoint, write_checkpoint

# A shell that starts the tests in the background makes them ignore Ctrl-C. The processes that they start
# would ignore it too, but some tests interrupt such a process.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# No test may depend on the clock or on luck: a run tries what the last one tried. "search" tries new inputs.
no_clock = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", no_clock, derandomize=True)
settings.register_profile("search", no_clock, max_examples=3000)
settings.load_profile("repeat")


@pytest.fixture(scope="session")
def model() -> MiniLM:
    """The real model. Tests fail if it cannot be loaded, because everything else depends on it."""
    return MiniLM()


@pytest.fixture(scope="session")
def float64_parameters(model: MiniLM) -> dict[str, np.ndarray]:
    """The real model's weights in double precision, for the reference encoder."""
    return load_parameters(model.checkpoint.directory / "model.safetensors", model.config, dtype=np.float64)


@pytest.fixture
def without_coverage(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave a test and the processes that it starts unmeasured: coverage makes them slower and larger."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    coverage = sys.modules.get("coverage")
    measuring = coverage.Coverage.current() if coverage else None
    if measuring:
        measuring.stop()
    yield
    if measuring:
        measuring.start()


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """A function that writes a small checkpoint with random weights and returns its directory."""

    def make(name: str = "checkpoint", *, config: ModelConfig = TINY) -> Path:
        directory = tmp_path / name
        write_checkpoint(directory, config)
        return directory

    return make
