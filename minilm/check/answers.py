"""Ask a target for all vectors: alone and in batches, and one text at a time where a batch is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from minilm._arrays import Float64Array
from minilm.check.diagnosis import FLOAT32
from minilm.check.targets.target import RefusedError, Target, TargetError
from minilm.check.texts import LENGTHS, of_length

BATCH = 16  # texts per request
NEIGHBOURS = 3  # texts that are asked for alone, and again beside a long one
LONG_NEIGHBOUR = of_length(LENGTHS[0])  # one of the texts, also of the quick ones


@dataclass
class Answers:
    """What a target answered to the texts of each class."""

    classes: Mapping[str, Sequence[str]]
    vectors: dict[str, Float64Array] = field(default_factory=dict)  # by text
    refused: dict[str, str] = field(default_factory=dict)  # text to reason
    batch: dict[str, Float64Array] = field(
        default_factory=dict
    )  # vectors beside a long text, if they were asked for

    @property
    def width(self) -> int:
        """Components of a vector."""
        return len(next(iter(self.vectors.values())))

    @property
    def change_with_batch(self) -> float:
        """The largest difference of a component between a text alone and the same text beside a long one."""
        return max(
            (float(np.abs(self.vectors[text] - row).max()) for text, row in self.batch.items()), default=0.0
        )


def ask(target: Target, classes: Mapping[str, Sequence[str]], length: Callable[[str], int]) -> Answers:
    """Ask a target for the vectors of all texts; ``length`` is how many tokens a text has."""
    answers = Answers(classes)
    texts = [text for members in classes.values() for text in members]
    if target.takes_batches:
        _ask_alone_and_together(target, answers, texts[:NEIGHBOURS])
    missing = [text for text in texts if text not in answers.vectors and text not in answers.refused]
    for batch in _batches(missing, length if answers.change_with_batch > FLOAT32 else None, target):
        _ask_batch(target, answers, batch)
    widths = {len(vector): text for text, vector in answers.vectors.items()}
    if len(widths) > 1:
        shown = ", ".join(f"{width} for {text[:20]!r}" for width, text in sorted(widths.items())[:3])
        raise TargetError(f"{target.name}: asked for vectors of one length, got {shown}")
    return answers


def _ask_alone_and_together(target: Target, answers: Answers, texts: Sequence[str]) -> None:
    for text in texts:
        _ask_batch(target, answers, [text])
    if not answers.vectors:  # it refuses everything
        raise TargetError(answers.refused[texts[0]])
    together = [LONG_NEIGHBOUR, *(text for text in texts if text in answers.vectors)]
    try:
        answers.batch = dict(zip(together[1:], target.embed(together)[1:], strict=True))
    except RefusedError:  # it takes one text at a time
        answers.batch = {}


def _batches(texts: Sequence[str], length: Callable[[str], int] | None, target: Target) -> list[list[str]]:
    """Return the texts in batches: of equal numbers of tokens, where a batch must not have padding."""
    if not target.takes_batches:
        return [[*texts]]
    if length is None:
        groups = [[*texts]]
    else:
        groups = [[*group] for _, group in groupby(sorted(texts, key=length), length)]
    return [group[i : i + BATCH] for group in groups for i in range(0, len(group), BATCH)]


def _ask_batch(target: Target, answers: Answers, texts: Sequence[str]) -> None:
    """Ask for some texts; of a batch that is refused, for each text alone."""
    try:
        answers.vectors |= dict(zip(texts, target.embed(texts), strict=True))
    except RefusedError as error:
        if len(texts) == 1:
            answers.refused[texts[0]] = str(error)
            return
        for text in texts:
            _ask_batch(target, answers, [text])
