"""The real model, whose variants are computed once for all tests."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.check.variants import Variants


@pytest.fixture(scope="package")
def variants(model: MiniLM) -> Variants:
    return Variants(model)
