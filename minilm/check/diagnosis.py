"""Which hypotheses explain the vectors of another implementation.

Let r be what is left between the target's vectors and those of the best recipe so far, and d the way from
that recipe to the one that a hypothesis makes of it. If the hypothesis holds, r is d and something that has
nothing to do with it: rounding, or another difference. Then r has the part ``a = <r, d> / <d, d>`` of d, and
a is 1. If it does not hold, a is near 0. So a hypothesis can be told from errors that are larger than itself.

All vectors are scaled to length 1 first. Their lengths are a question of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from minilm._arrays import AnyArray, FloatArray
from minilm.check.hypotheses import FIXED, NETWORK, ROUNDED, TEXT, Hypothesis, possible
from minilm.check.recipe import Recipe
from minilm.check.variants import Variants
from minilm.pooling import normalize

FLOAT32 = 1e-5  # the largest error of a component that float32 explains
SMALLEST_PART = 0.7  # of d in r, for a hypothesis to hold; 1 but for what else differs
SMALLEST_SCORE = 8.0  # standard errors between this part and 0
KEPT_SCORE = 4.0  # the same, for one of two that both hold
MOST_TEXTS = 24  # on which a hypothesis is tried: those that it changes, the plain ones first
PAIR_TEXTS = 8
SLOW_TEXTS = 3
MATCHING_SHARE = 0.8  # of the texts that a hypothesis changes must come nearer


@dataclass
class Diagnosis:
    """The recipe that explains the vectors best, and how it was found."""

    recipe: Recipe = field(default_factory=Recipe)
    steps: list[Hypothesis] = field(default_factory=list)
    rounding: str | None = None


@dataclass(frozen=True)
class Trial:
    """What one recipe gains over another."""

    gain: float  # the share of the squared error that it removes from the texts that it changes
    recipe: Recipe
    steps: tuple[Hypothesis, ...]


class Search:
    """The target's vectors (n, E), scaled to length 1, and the recipes that may explain them."""

    def __init__(self, variants: Variants, texts: Sequence[str], vectors: AnyArray, plain: int) -> None:
        self.variants, self.texts = variants, [*texts]
        self.vectors = normalize(np.asarray(vectors, np.float64))
        self.plain = plain  # how many of the first texts are plain

    def run(self) -> Diagnosis:
        """Accept the hypothesis that gains most, as long as one holds."""
        found = Diagnosis()
        self._accept(found, (NETWORK, TEXT))
        if not self.is_explained(found.recipe):
            self._accept(found, (ROUNDED,))  # int8 has large errors, too, and is soon found
            for attempt in (self._pair, self._slow):
                if self._error(found.recipe) > 0.05 and (trial := attempt(found.recipe)):
                    self._take(found, trial)
                    self._accept(found, (NETWORK, TEXT))
            self._accept(found, (ROUNDED,))
            self._accept(found, (NETWORK, TEXT))
        self._exchange(found)
        self._prune(found)
        found.rounding = found.recipe.network.rounding
        found.steps = [step for step in found.steps if step not in ROUNDED]
        return found

    def is_explained(self, recipe: Recipe) -> bool:
        """Whether the plain texts differ by no more than float32 explains."""
        return self._error(recipe) <= FLOAT32

    def unit_vectors(self, recipe: Recipe, places: Sequence[int]) -> FloatArray:
        """Return a recipe's vectors of some texts, scaled to length 1."""
        return self.unit_vectors_of(recipe, [self.texts[place] for place in places])

    def unit_vectors_of(self, recipe: Recipe, texts: Sequence[str]) -> FloatArray:
        """Return a recipe's vectors of any texts: as many components as the target has, then length 1."""
        made = self.variants.vectors(recipe, texts)
        return normalize(made[:, : self.vectors.shape[1]].astype(np.float64))

    def _error(self, recipe: Recipe) -> float:
        places = range(self.plain)
        return float(np.abs(self.vectors[places] - self.unit_vectors(recipe, places)).max(initial=0))

    def _accept(self, found: Diagnosis, tables: Sequence[tuple[Hypothesis, ...]]) -> None:
        while True:
            trials = [
                trial
                for table in tables
                for step, recipe in possible(table, found.recipe, self.variants)
                if (trial := self._trial(found.recipe, recipe, (step,), MOST_TEXTS))
            ]
            if not trials:
                return
            self._take(found, max(trials, key=lambda trial: trial.gain))

    def _pair(self, recipe: Recipe) -> Trial | None:
        """Return the best pair of hypotheses, where no single one holds."""
        trials = []
        singles = possible(NETWORK + TEXT[:3], recipe, self.variants)
        for (first, new), (second, _) in combinations(singles, 2):
            both = second.applied(new)
            if both and self.variants.can(both):
                trials.append(self._trial(recipe, both, (first, second), PAIR_TEXTS))
        return max(filter(None, trials), key=lambda trial: trial.gain, default=None)

    def _slow(self, recipe: Recipe) -> Trial | None:
        trials = [
            self._trial(recipe, new, (step,), SLOW_TEXTS)
            for step, new in possible(FIXED, recipe, self.variants)
        ]
        return max(filter(None, trials), key=lambda trial: trial.gain, default=None)

    def _take(self, found: Diagnosis, trial: Trial) -> None:
        found.recipe = trial.recipe
        found.steps += trial.steps

    def _trial(
        self,
        old: Recipe,
        new: Recipe,
        steps: tuple[Hypothesis, ...],
        most: int,
        score: float = SMALLEST_SCORE,
    ) -> Trial | None:
        """Return what a recipe gains over another; None if it does not hold."""
        texts = self.texts[: self.plain] if old.network != new.network else self.texts
        places = self.variants.affected(old, new, texts)[:most]
        if not places:
            return None
        current = self.unit_vectors(old, places)
        if np.abs(self.vectors[places] - current).max() <= FLOAT32:  # there is nothing to explain
            return None
        return self.tried(self.vectors[places], current, self.unit_vectors(new, places), new, steps, score)

    @staticmethod
    def tried(
        target: FloatArray,
        old: FloatArray,
        new: FloatArray,
        recipe: Recipe,
        steps: tuple[Hypothesis, ...],
        score: float = SMALLEST_SCORE,
    ) -> Trial | None:
        """Return what the vectors ``new`` gain over ``old``, if the hypothesis of them holds."""
        rest, way = target - old, new - old  # r and d above
        length = float((way * way).sum())
        if length < 1e-12 * len(target):
            return None
        part = float((rest * way).sum()) / length
        noise = rest - part * way
        error = np.sqrt((noise * noise).mean() / length)
        is_nearer = np.linalg.norm(target - new, axis=1) < np.linalg.norm(rest, axis=1)
        if part < SMALLEST_PART or part < score * error:
            return None
        if is_nearer.mean() < MATCHING_SHARE:
            return None
        return Trial(length * (2 * part - 1) / float((rest * rest).sum()), recipe, steps)

    def _exchange(self, found: Diagnosis) -> None:
        """Put a hypothesis in the place of one that changes the same fields, if it fits the others better."""
        for place, step in enumerate(found.steps):
            table = tuple(one for one in NETWORK + TEXT if one.changes.keys() == step.changes.keys())
            rest = _recipe_of(one for one in found.steps if one is not step)
            trials = [
                trial
                for one, recipe in possible(table, rest, self.variants)
                if (trial := self._trial(found.recipe, recipe, (one,), MOST_TEXTS))
            ]
            if trials:
                best = max(trials, key=lambda trial: trial.gain)
                found.recipe, found.steps[place] = best.recipe, best.steps[0]

    def _prune(self, found: Diagnosis) -> None:
        """Drop a step, or put a simpler one in its place, where the rest explains the vectors as well."""
        for step in [*found.steps]:
            rest = [one for one in found.steps if one is not step]
            simpler = [one for one in NETWORK + TEXT if one.changes.items() < step.changes.items()]
            for steps in (rest, *([*rest, one] for one in simpler)):
                recipe = _recipe_of(steps)
                if not self._trial(recipe, found.recipe, (step,), MOST_TEXTS, score=KEPT_SCORE):
                    found.recipe, found.steps = recipe, steps
                    break


def _recipe_of(steps: Iterable[Hypothesis]) -> Recipe:
    recipe = Recipe()
    for step in steps:
        recipe = step.applied(recipe) or recipe
    return recipe
