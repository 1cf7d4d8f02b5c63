"""The first tensor, in the order of computation, that differs between a trace and another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from minilm._arrays import AnyArray, Float64Array
from minilm.trace.causes import Causes
from minilm.trace.files import Tensor
from minilm.trace.inputs import Inputs
from minilm.trace.names import SIZES, axes, title
from minilm.trace.oracle import Intermediates, Oracle
from minilm.variants import VARIANTS

# The largest difference in relation to 1 + |x|, twice what transformers has in this precision, or more
# (tests/trace/make_tolerances.py measures it).
TOLERANCES = {"float32": 5e-5, "float16": 0.1, "bfloat16": 0.5}


@dataclass(frozen=True)
class Difference:
    """One tensor that differs, and how."""

    name: str
    says: str  # in words: "layer 3, attention probabilities: masked keys have weight"
    details: tuple[str, ...] = ()


@dataclass
class Comparison:
    """What was compared, and the first difference."""

    compared: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    difference: Difference | None = None
    largest: float = 0.0  # error of a number that agrees, in relation to 1 + |x|
    largest_in: str = ""


class Comparer:
    """A trace of our own, and the tolerance; without one it depends on each tensor's precision."""

    def __init__(self, oracle: Oracle, inputs: Inputs, tolerance: float | None = None) -> None:
        self.ours: Intermediates = oracle.intermediates(*inputs)
        self.tolerance, self._causes = tolerance, Causes(oracle, self.ours)
        self._mask = inputs.attention_mask != 0
        own_name = VARIANTS[oracle.model.config.model_type].own_name
        self.names = {name: own_name(name) for name in self.ours}  # BERT's names, and the family's

    def compare(self, theirs: Mapping[str, Tensor]) -> Comparison:
        """Compare tensor by tensor, up to the first that differs."""
        names = {name: own for name, own in self.names.items() if name not in Inputs._fields}
        result = Comparison(
            missing=[own for own in names.values() if own not in theirs],
            unknown=[own for own in theirs if own not in {*names.values(), *Inputs._fields}],
        )
        for name, own in names.items():
            if own in theirs:
                result.compared.append(own)
                result.difference = self._difference(name, theirs[own], result)
                if result.difference:
                    break
        return result

    def _difference(self, name: str, tensor: Tensor, result: Comparison) -> Difference | None:
        ours, theirs = self.ours[name], tensor.values
        if len(self.ours["input_ids"]) == 1 and theirs.shape == ours.shape[1:]:
            theirs = theirs[None]  # the only text
        if "position" in name and theirs.shape == (1, *ours.shape[1:]):
            theirs = np.broadcast_to(theirs, ours.shape)  # one for all texts, also where ours differ
        if theirs.shape != ours.shape:
            sizes = ", ".join(SIZES[letter] for letter in axes(name, ours))
            says = f"{title(name)}: the shape is {theirs.shape}, not {ours.shape} ({sizes})"
            return Difference(self.names[name], says)
        tolerance = TOLERANCES[tensor.precision] if self.tolerance is None else self.tolerance
        errors = self.errors(name, theirs, ours)
        if (largest := float(errors.max(initial=0))) <= tolerance:
            if largest >= result.largest:
                result.largest, result.largest_in = largest, self.names[name]
            return None
        return self._described(name, theirs, errors, tolerance)

    def _described(self, name: str, theirs: AnyArray, errors: Float64Array, tolerance: float) -> Difference:
        index = tuple(map(int, np.unravel_index(errors.argmax(), errors.shape)))
        there, here = float(theirs[index]), float(self.ours[name][index])
        details = (
            f"index {index}: {there:.9g} there, {here:.9g} here",
            f"{np.count_nonzero(errors > tolerance)} of {errors.size} numbers differ by more than "
            f"{tolerance:g} (1 + |x|)",
        )
        cause = "not a number" if np.isnan(there) else self._cause(name, theirs, tolerance)
        return Difference(self.names[name], f"{title(name)}: {cause}", details)

    def _cause(self, name: str, theirs: AnyArray, tolerance: float) -> str:
        """Return the known cause that explains the tensor best, if one does."""
        explained = [
            (error, cause)
            for cause, tensor in self._causes.of(name)
            if (error := float(self.errors(name, theirs, tensor).max(initial=0))) <= tolerance
        ]
        if explained:
            return min(explained)[1]
        if name.endswith("attention_probs"):
            masked = np.broadcast_to(~self._mask[:, None, None, :], theirs.shape)
            if (np.abs(theirs[masked]) > tolerance).any():
                return "masked keys have weight"
            if (np.abs(theirs.sum(axis=-1) - 1)[self._queries(theirs)] > tolerance * theirs.shape[-1]).any():
                return "the weights that a query gives to all keys do not sum to 1"
        return "the numbers differ; all that goes into them agrees"

    def _queries(self, probs: AnyArray) -> AnyArray:
        return np.broadcast_to(self._mask[:, None, :], probs.shape[:3])

    def errors(self, name: str, theirs: AnyArray, ours: AnyArray) -> Float64Array:
        """Return the differences in relation to 1 + |x|: 0 at padding, infinite for what is not a number."""
        with np.errstate(all="ignore"):
            x, y = (np.asarray(values, np.float64) for values in (theirs, ours))
            errors = np.where(x == y, 0, np.abs(x - y) / (1 + np.abs(y)))
        return np.where(self._counts(name), np.where(np.isfinite(errors), errors, np.inf), 0)

    def _counts(self, name: str) -> AnyArray:
        """Return where the numbers of a tensor matter: not at padding, but at the weights of masked keys."""
        shape = axes(name, self.ours[name])
        if shape == "1LE":
            return self._mask.any(axis=0)[None, :, None]
        if shape == "BHLL":
            keys = self._mask[:, None, None, :] | (not name.endswith("scores"))
            return self._mask[:, None, :, None] & keys
        return self._mask[:, :, None] if "L" in shape else np.ones(1, bool)
