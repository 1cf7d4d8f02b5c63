"""The table of hypotheses."""

from __future__ import annotations

from minilm.check.hypotheses import BATCH, FIXED, NETWORK, ROUNDED, TEXT, possible
from minilm.check.recipe import NetworkRecipe, Recipe, TextRecipe
from minilm.check.variants import Variants
from tests.check.faults import BATCH_FAULTS, FAULTS, OTHER_FAULTS

ALL = (*NETWORK, *TEXT, *FIXED, *ROUNDED, *BATCH.values())


def test_every_hypothesis_has_its_own_name_and_changes_what_there_is() -> None:
    assert len({one.name for one in ALL}) == len(ALL)
    fields = vars(TextRecipe()).keys() | vars(NetworkRecipe()).keys()
    for one in ALL:
        assert one.changes.keys() <= fields
        assert one.finding
        assert one.remedy


def test_every_hypothesis_is_expected_of_a_seeded_fault() -> None:
    expected = {name for _, names in (*FAULTS.values(), *OTHER_FAULTS.values()) for name in names}
    assert {one.name for one in ALL} == expected | {*BATCH_FAULTS.values()}


def test_every_field_of_a_recipe_has_a_hypothesis() -> None:
    changed = {name for one in ALL for name in one.changes}
    assert changed == vars(TextRecipe()).keys() | vars(NetworkRecipe()).keys()


def test_a_field_is_changed_once(variants: Variants) -> None:
    recipe = Recipe().changed(pooling="cls")
    names = {one.name for one, _ in possible(NETWORK, recipe, variants)}
    assert "gelu tanh" in names
    assert not names & {"cls", "max", "pooler"}
