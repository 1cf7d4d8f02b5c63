"""The real model and a small one, whose variants are computed once for all tests."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from minilm.check.variants import Variants
from tests.check.other import make_other_variants


@pytest.fixture(scope="package")
def variants(model: MiniLM) -> Variants:
    return Variants(model)


@pytest.fixture(scope="package")
def other_variants(model: MiniLM, tmp_path_factory: pytest.TempPathFactory) -> Variants:
    return make_other_variants(model, tmp_path_factory.mktemp("other"))
