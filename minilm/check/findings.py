"""What differs, in words: each finding with its evidence and what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm._arrays import AnyArray, Float64Array, FloatArray
from minilm.check.answers import LONG_NEIGHBOUR, Answers
from minilm.check.diagnosis import FLOAT32, Diagnosis, Search
from minilm.check.hypotheses import BATCH, Hypothesis
from minilm.check.recipe import Recipe
from minilm.check.rounding import ROUNDINGS
from minilm.check.variants import Variants
from minilm.pooling import normalize

SAME_COSINE = 0.98  # of plain texts; int8 weights leave 0.99, and another model less than 0.5
UNIT = 0.02  # how far the length of a vector may be from 1 that was normalized in bfloat16


@dataclass(frozen=True)
class Finding:
    """One difference."""

    name: str
    says: str
    evidence: str
    remedy: str
    texts: int  # that it changes

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return vars(self) | {}


@dataclass(frozen=True)
class ClassErrors:
    """The target's errors in one class of texts."""

    name: str
    texts: int
    refused: int
    largest: float
    mean: float
    cosine: float  # the smallest


@dataclass(frozen=True)
class Check:
    """The result: a verdict, the errors by class, and the findings, most important first."""

    verdict: str
    is_same: bool
    precision: str
    largest: float
    refused: int
    classes: list[ClassErrors]
    findings: list[Finding]


class Judge:
    """The answers of a target, beside the vectors that the checkpoint gives."""

    def __init__(self, variants: Variants, answers: Answers) -> None:
        self.variants, self.answers = variants, answers
        self.texts = [*answers.vectors]
        order = [text for members in answers.classes.values() for text in members if text in answers.vectors]
        self.texts = order
        self.raw = np.stack([answers.vectors[text] for text in order])
        plain = next(iter(answers.classes.values()))
        self.search = Search(variants, order, self.raw, sum(text in answers.vectors for text in plain))

    def run(self) -> Check:
        """Explain the vectors, and say what differs."""
        truth = self._truth()
        found = self.search.run()
        plain = range(self.search.plain)
        nearest = self.search.unit_vectors(found.recipe, plain)
        cosine = float((self.search.vectors[plain] * nearest).sum(axis=1).min(initial=1))
        precision = self._precision(found)
        is_same = precision != "other" or cosine >= SAME_COSINE
        findings = [*self._width(), *self._lengths(found, is_same), *self._batch(found)]
        findings += [self._step(found, step) for step in found.steps] if is_same else []
        findings.sort(key=lambda one: -one.texts)
        findings += self._unexplained(found) if is_same else [self._other(found, cosine)]
        findings += self._refused()
        further = [one for one in findings if one.name != "against"]
        is_against = len(further) < len(findings)
        verdict = f"same model, {precision}" if is_same else "not this model"
        if is_against:
            verdict = f"not this model, but that of --against, {precision}"
        if is_same and further:
            differences = "; ".join(one.says for one in further)
            verdict += f", with {len(further)} difference{'s' * (len(further) > 1)}: {differences}"
        if is_same and precision != "float32":
            findings.append(self._rounded(found))
        errors = np.abs(self.raw - truth)
        return Check(
            verdict,
            is_same and not is_against,
            precision,
            float(errors.max()),
            len(self.answers.refused),
            self._table(truth),
            findings,
        )

    def _truth(self) -> Float64Array:
        """Return the checkpoint's own vectors, in float64; a shorter one is compared with their beginning."""
        rows = self.variants.token_ids(Recipe().text, self.texts)
        return self.variants.oracle.vectors(rows)[:, : self.answers.width]

    def _table(self, truth: AnyArray) -> list[ClassErrors]:
        place = {text: index for index, text in enumerate(self.texts)}
        rows = []
        for name, members in self.answers.classes.items():
            places = [place[text] for text in members if text in place]
            errors = np.abs(self.raw[places] - truth[places])
            cosines = (normalize(self.raw[places]) * normalize(truth[places])).sum(axis=1)
            refused = len(members) - len(places)
            mean = float(errors.mean()) if places else 0.0
            rows.append(
                ClassErrors(
                    name,
                    len(members),
                    refused,
                    float(errors.max(initial=0)),
                    mean,
                    float(cosines.min(initial=1)),
                )
            )
        return rows

    def _errors(self, recipe: Recipe, places: Sequence[int]) -> FloatArray:
        """Return the largest error of a component of each text."""
        return np.abs(self.search.vectors[places] - self.search.unit_vectors(recipe, places)).max(
            axis=1, initial=0
        )

    def _limit(self, found: Diagnosis) -> float:
        """Return the largest error of a text that is explained: a few times that of the plain texts."""
        return max(FLOAT32, 4 * float(self._errors(found.recipe, range(self.search.plain)).max(initial=0)))

    def _precision(self, found: Diagnosis) -> str:
        recipe = found.recipe.changed(rounding=None)
        if self.search.is_explained(recipe):
            return "float32"
        return ROUNDINGS[found.rounding][0] if found.rounding else "other"

    def _step(self, found: Diagnosis, step: Hypothesis) -> Finding:
        base = Recipe()
        without = found.recipe.changed(**{name: base.value(name) for name in step.changes})
        places = self.variants.affected(without, found.recipe, self.texts)
        with_it, errors = self._errors(found.recipe, places), self._errors(without, places)
        matching = int((with_it <= self._limit(found)).sum())
        evidence = (
            f"{matching} of {len(places)} texts that this changes are explained by it: "
            f"largest error {with_it.max(initial=0):.1e} with it, {errors.max(initial=0):.1e} without"
        )
        return Finding(step.name, step.finding, evidence, step.remedy, len(places))

    def _width(self) -> list[Finding]:
        model, width = self.variants.width, self.answers.width
        if width == model:
            return []
        says, evidence = (
            f"keeps the first {width} components",
            f"its vectors have {width} components, not {model}",
        )
        return [
            Finding("shorter", says, evidence, "use all components, or set truncate_dim", len(self.texts))
        ]

    def _lengths(self, found: Diagnosis, is_same: bool) -> list[Finding]:
        """Compare the lengths of the vectors with 1, and with those that pooling leaves."""
        lengths = np.linalg.norm(self.raw, axis=1)
        pooled: AnyArray = self.variants.vectors(found.recipe, self.texts)
        is_unit = bool((np.abs(lengths - 1) < UNIT).all())
        if not is_same or is_unit == self.variants.model.normalize or self.answers.width < pooled.shape[1]:
            return []
        if is_unit:
            return [
                Finding(
                    "normalized",
                    "normalizes its vectors",
                    "all have length 1",
                    "leave them as they are",
                    len(lengths),
                )
            ]
        ratio = lengths / np.linalg.norm(pooled, axis=1)
        evidence = f"their lengths lie in {lengths.min():.3g} to {lengths.max():.3g}"
        if ratio.max() - ratio.min() < 0.02 * ratio.max():
            factor = "" if abs(ratio.mean() - 1) < 0.02 else f"{ratio.mean():.4g} times "
            evidence += f": {factor}as pooling leaves them"
        remedy = (
            "divide each vector by its Euclidean length; until then compare by cosine, not by dot product"
        )
        return [Finding("not normalized", "does not normalize its vectors", evidence, remedy, len(lengths))]

    def _batch(self, found: Diagnosis) -> list[Finding]:
        """Explain how a vector changes beside a long text."""
        change, texts = self.answers.change_with_batch, [*self.answers.batch]
        if change <= FLOAT32:
            return []
        length = len(self.variants.token_ids(found.recipe.text, [LONG_NEIGHBOUR])[0])
        target = normalize(np.stack([self.answers.batch[text] for text in texts]))
        old = self.search.unit_vectors_of(found.recipe, texts)
        trials = []
        for one in BATCH.values():
            recipe = found.recipe.changed(**one.changes, pad_to=length)
            new = self.search.unit_vectors_of(recipe, texts)
            if trial := self.search.tried(target, old, new, recipe, (one,)):
                trials.append(trial)
        evidence = f"a component of the same text changes by {change:.1e} beside a text of {length} tokens"
        if trials:
            [one] = max(trials, key=lambda trial: trial.gain).steps
            return [Finding(one.name, one.finding, evidence, one.remedy, len(self.texts))]
        if found.rounding and change <= self._limit(found):
            return []  # within its precision: dynamic int8 has one scale for a whole batch
        says, remedy = (
            "a vector changes with the texts beside it",
            "pass the attention mask; or one text per call",
        )
        return [
            Finding("batch", says, evidence + ", and no hypothesis explains how", remedy, len(self.texts))
        ]

    def _unexplained(self, found: Diagnosis) -> list[Finding]:
        errors = self._errors(found.recipe, range(len(self.texts)))
        bad: Mapping[str, float] = {
            text: float(error)
            for text, error in zip(self.texts, errors, strict=True)
            if error > self._limit(found)
        }
        findings = []
        for name, members in self.answers.classes.items():
            worst = sorted((text for text in members if text in bad), key=lambda text: -bad[text])
            if worst:
                says = f"differs on {len(worst)} of {len(members)} texts of the class {name!r}, unexplained"
                evidence = f"largest error {bad[worst[0]]:.1e}, on {worst[0][:40]!r}"
                remedy = "`minilm trace` with this text has its token ids and every step; compare yours"
                findings.append(Finding(f"unexplained: {name}", says, evidence, remedy, len(worst)))
        return findings

    def _other(self, found: Diagnosis, cosine: float) -> Finding:
        nearest = " and ".join(step.finding for step in found.steps) or "the checkpoint as it is"
        evidence = f"smallest cosine {cosine:.3f} on plain texts with the nearest hypothesis: {nearest}"
        remedy = "if you know which model it is, name its checkpoint with --against"
        return Finding("other model", "no hypothesis explains its vectors", evidence, remedy, len(self.texts))

    def _refused(self) -> list[Finding]:
        refused = self.answers.refused
        findings = []
        for name, members in self.answers.classes.items():
            texts = [text for text in members if text in refused]
            if texts:
                says = f"refuses {len(texts)} of {len(members)} texts of the class {name!r}"
                evidence = f"{texts[0][:40]!r}: {refused[texts[0]]}"
                findings.append(
                    Finding(f"refused: {name}", says, evidence, "send it no such texts", len(texts))
                )
        return findings

    def _rounded(self, found: Diagnosis) -> Finding:
        plain = range(self.search.plain)
        exact, left = (
            self._errors(r, plain).max(initial=0) for r in (found.recipe.changed(rounding=None), found.recipe)
        )
        if found.rounding is None:
            says, evidence = (
                "an error that no rounding of weights explains",
                f"largest error {exact:.1e} on plain texts",
            )
            return Finding(
                "precision", says, evidence, "find out with how many bits it computes", len(self.texts)
            )
        says = f"{ROUNDINGS[found.rounding][1]}: error {exact:.1e}"
        evidence = f"the largest error on plain texts; weights rounded so leave {left:.1e} unexplained"
        return Finding(
            "precision", says, evidence, "none needed, if the error is small enough", len(self.texts)
        )
