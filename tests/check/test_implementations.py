"""The check against real implementations, and against real faults in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm.check.variants import Variants
from tests.check.checks import check_implementation, differences
from tests.check.implementations import IMPLEMENTATIONS, REAL_FAULTS

# other libraries give warnings of their own
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("implementations")


@pytest.mark.parametrize("name", [*IMPLEMENTATIONS, *REAL_FAULTS])
def test_what_differs_is_named_and_nothing_else(name: str, variants: Variants, folder: Path) -> None:
    one = (IMPLEMENTATIONS | REAL_FAULTS)[name]
    check = check_implementation(name, one, variants, folder)
    assert (check.is_same, check.precision) == (True, one.precision)
    assert differences(check) == one.findings
