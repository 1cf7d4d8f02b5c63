"""The check against real implementations, and against real faults in one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm.check.answers import ask
from minilm.check.findings import Check, Judge
from minilm.check.texts import chosen_texts
from minilm.check.variants import Variants
from tests.check.implementations import IMPLEMENTATIONS, REAL_FAULTS, Implementation

# other libraries give warnings of their own
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("implementations")


def checked(name: str, one: Implementation, variants: Variants, folder: Path, *, quick: bool) -> Check:
    model = variants.model
    target = one.target(name, model.checkpoint.directory, folder)
    count = model.pipeline.tokenizer
    answers = ask(target, chosen_texts(quick=quick), lambda text: len(count.texts([text]).input_ids[0]))
    return Judge(variants, answers).run()


def differences(check: Check) -> set[str]:
    return {finding.name for finding in check.findings} - {"precision"}


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_an_implementation_is_recognized(name: str, variants: Variants, folder: Path) -> None:
    one = IMPLEMENTATIONS[name]
    check = checked(name, one, variants, folder, quick=False)
    assert (check.is_same, check.precision) == (True, one.precision)
    assert differences(check) == one.findings


@pytest.mark.parametrize("name", REAL_FAULTS)
def test_a_real_fault_is_named_and_nothing_else(name: str, variants: Variants, folder: Path) -> None:
    one = REAL_FAULTS[name]
    check = checked(name, one, variants, folder, quick=True)
    assert (check.is_same, check.precision) == (True, one.precision)
    assert differences(check) == one.findings
