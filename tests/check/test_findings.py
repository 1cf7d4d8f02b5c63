"""From the answers of a target to a verdict and findings, with targets that are minilm with a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.check.findings import Check
from minilm.check.recipe import Recipe
from minilm.check.report import as_text
from minilm.check.targets.function import FunctionTarget
from minilm.check.texts import chosen_texts
from minilm.check.variants import Variants
from minilm.pooling import normalize
from tests.check.checks import check_target
from tests.check.faults import BATCH_FAULTS
from tests.checkpoints import MakeCheckpoint

# the long texts are there to be cut
pytestmark = pytest.mark.filterwarnings("ignore::minilm.TruncationWarning")

Encode = Callable[[list[str]], Any]


def checked(variants: Variants, encode: Encode) -> Check:
    return check_target(FunctionTarget("f", encode), variants, quick=True)


def names(check: Check) -> list[str]:
    return [finding.name for finding in check.findings]


def test_the_model_itself_has_no_finding(variants: Variants) -> None:
    check = checked(variants, variants.model.encode)
    assert (check.verdict, check.is_same, check.findings) == ("same model, float32", True, [])
    assert check.largest < 1e-6
    assert [row.texts for row in check.classes] == [len(texts) for texts in chosen_texts(quick=True).values()]


def test_vectors_that_are_not_normalized(variants: Variants) -> None:
    check = checked(variants, lambda texts: 2 * variants.vectors(Recipe(), texts))
    assert names(check) == ["not normalized"]
    assert check.findings[0].evidence.endswith(": 2 times as pooling leaves them")
    assert check.verdict == "same model, float32, with 1 difference: does not normalize its vectors"


def test_the_first_components_only(variants: Variants) -> None:
    check = checked(variants, lambda texts: normalize(variants.model.encode(texts)[:, :128]))
    assert (check.precision, names(check)) == ("float32", ["shorter"])


@pytest.mark.parametrize(("kind", "name"), BATCH_FAULTS.items())
def test_padding_that_leaks_is_told_apart(kind: str, name: str, variants: Variants) -> None:
    def encode(texts: list[str]) -> Any:
        longest = max(map(len, variants.token_ids(Recipe().text, texts)))
        return normalize(variants.vectors(Recipe().changed(padding=kind, pad_to=longest), texts))

    check = checked(variants, encode)
    assert names(check) == [name]
    assert "a component of the same text changes by" in check.findings[0].evidence


def test_vectors_that_change_with_the_batch_in_another_way_are_not_explained(variants: Variants) -> None:
    def encode(texts: list[str]) -> Any:
        vectors = variants.model.encode(texts)
        return normalize(vectors + 0.1 * vectors.mean(axis=0)) if len(texts) > 1 else vectors

    check = checked(variants, encode)
    assert "batch" in names(check)


def test_another_model_is_said_to_be_another(variants: Variants) -> None:
    random = np.random.default_rng(0)
    check = checked(variants, lambda texts: random.normal(size=(len(texts), 384)))
    assert (check.verdict, check.is_same) == ("not this model", False)
    assert "other model" in names(check)


def test_a_class_that_differs_without_a_hypothesis_is_named(variants: Variants) -> None:
    check = checked(variants, lambda texts: variants.model.encode([text.replace("=", "") for text in texts]))
    assert all(name.startswith("unexplained: ") for name in names(check))
    assert names(check)
    assert "unexplained" in check.verdict


def test_the_precision_has_its_evidence(variants: Variants) -> None:
    recipe = Recipe().changed(rounding="int8 per tensor", max_seq_length=512)
    check = checked(variants, lambda texts: normalize(variants.vectors(recipe, texts)))
    assert check.precision == "int8"
    assert names(check) == ["length 512", "precision"]
    assert check.verdict == "same model, int8, with 1 difference: cuts at 512 tokens"
    assert check.findings[1].says.startswith("int8 weights, one scale per tensor: error ")


def test_another_checkpoint_is_recognized(make_checkpoint: MakeCheckpoint) -> None:
    other = MiniLM(make_checkpoint())
    small = Variants(other, None)
    check = checked(small, other.encode)
    assert check.verdict == "same model, float32"
    text = as_text(check, "f")
    assert text.splitlines()[:2] == ["same model, float32", "target: f"]
