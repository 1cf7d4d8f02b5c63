"""Which hypotheses are found: on seeded faults, singly and in pairs, and none on what is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.check.diagnosis import Search
from minilm.check.recipe import Recipe
from minilm.check.texts import chosen_texts
from minilm.check.variants import Variants
from tests.check.faults import FAULTS, OTHER_FAULTS, Changes
from tests.check.other import write_other

TEXTS = [text for members in chosen_texts(quick=True).values() for text in members]
PLAIN = len(chosen_texts(quick=True)["plain"])


def names(variants: Variants, vectors: Any, texts: list[str] = TEXTS, plain: int = PLAIN) -> set[str]:
    found = Search(variants, texts, vectors, plain).run()
    return {step.name for step in found.steps} | ({found.rounding} if found.rounding else set())


@pytest.mark.parametrize(("changes", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_seeded_fault_is_named_and_nothing_else(
    changes: Changes, expected: set[str], variants: Variants
) -> None:
    assert names(variants, variants.vectors(Recipe().changed(**changes), TEXTS)) == expected


@pytest.mark.parametrize(("changes", "expected"), OTHER_FAULTS.values(), ids=OTHER_FAULTS)
def test_a_fault_seeded_into_a_checkpoint_of_other_settings_is_named(
    changes: Changes, expected: set[str], other_variants: Variants
) -> None:
    classes = chosen_texts()
    texts = [text for members in classes.values() for text in members]
    vectors = other_variants.vectors(Recipe().changed(**changes), texts)
    assert names(other_variants, vectors, texts, len(classes["plain"])) == expected


def test_a_fault_is_told_from_one_that_explains_less_of_more_texts(model: MiniLM, tmp_path: Path) -> None:
    # a prefix moves positions as well, and was taken for them: it changes all texts, not the plain ones alone
    directory = write_other(model, tmp_path / "uncased", seed=0, is_cased=False)
    uncased = Variants(MiniLM(str(directory)))
    for rounding in (None, "float16"):
        vectors = uncased.vectors(Recipe().changed(position_offset=2, rounding=rounding), TEXTS)
        assert names(uncased, vectors) == {"position 2", rounding} - {None}


def test_nothing_is_found_in_right_vectors_nor_in_the_noise_of_float32(variants: Variants) -> None:
    right = variants.model.encode([text for text in TEXTS if len(text) < 200])
    vectors = variants.vectors(Recipe(), TEXTS)
    assert right.shape[1] == vectors.shape[1]
    assert names(variants, vectors) == set()
    noise = np.random.default_rng(0).normal(0, 3e-7, vectors.shape)
    assert names(variants, vectors + noise) == set()


def test_noise_as_large_as_int8s_is_taken_for_no_hypothesis(variants: Variants) -> None:
    vectors = variants.vectors(Recipe(), TEXTS)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert names(variants, vectors + np.random.default_rng(1).normal(0, 3e-3, vectors.shape)) == set()


def test_a_small_fault_is_found_below_larger_noise(variants: Variants) -> None:
    vectors = variants.vectors(Recipe().changed(hidden_act="gelu_new"), TEXTS)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # tanh changes a component by 5e-5 (root mean square), and this noise by four times as much
    assert names(variants, vectors + np.random.default_rng(2).normal(0, 2e-4, vectors.shape)) == {"gelu tanh"}


def test_vectors_of_another_model_are_explained_by_nothing(variants: Variants) -> None:
    other = np.random.default_rng(3).normal(size=(len(TEXTS), 384))
    assert names(variants, other) == set()
