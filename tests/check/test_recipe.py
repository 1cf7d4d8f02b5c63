"""Recipes and their changes."""

from __future__ import annotations

from minilm.check.recipe import NetworkRecipe, Recipe, TextRecipe


def test_a_change_goes_to_the_part_that_has_the_field() -> None:
    recipe = Recipe().changed(pooling="cls", prefix="query: ")
    assert recipe == Recipe(TextRecipe(prefix="query: "), NetworkRecipe(pooling="cls"))
    assert (recipe.value("pooling"), recipe.value("prefix"), recipe.value("after")) == (
        "cls",
        "query: ",
        True,
    )


def test_the_two_parts_share_no_field() -> None:
    assert not vars(TextRecipe()).keys() & vars(NetworkRecipe()).keys()
