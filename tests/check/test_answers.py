"""How a target is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from minilm._arrays import AnyArray
from minilm.check.answers import BATCH, NEIGHBOURS, ask
from minilm.check.targets.target import RefusedError, TargetError
from minilm.check.texts import chosen_texts

CLASSES = {"plain": [f"{n:03}" for n in range(40)], "empty": [""]}


class Recorder:
    """A target that notes what it was asked for, and may be unfriendly in several ways."""

    name, takes_batches = "recorder", True

    def __init__(self, *, most: int = 99, leaks: bool = False, refuses: Sequence[str] = ()) -> None:
        self.most, self.leaks, self.refuses = most, leaks, refuses
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> AnyArray:
        self.calls.append([*texts])
        if len(texts) > self.most or set(texts) & set(self.refuses):
            raise RefusedError("no")
        extra = max(map(len, texts)) if self.leaks else 0
        return np.array([[float(len(text)), 1.0 + extra] for text in texts])


def test_every_text_is_asked_for_once_but_for_the_first_which_are_asked_for_alone_and_together() -> None:
    target = Recorder()
    answers = ask(target, CLASSES, len)
    assert len(answers.vectors) == 41
    assert [len(call) for call in target.calls] == [1] * NEIGHBOURS + [NEIGHBOURS + 1, BATCH, BATCH, 41 - 35]
    assert answers.change_with_batch == 0


def test_a_batch_has_texts_of_one_length_where_padding_leaks() -> None:
    target = Recorder(leaks=True)
    answers = ask(target, CLASSES, len)
    assert answers.change_with_batch > 100
    assert all(len({*map(len, call)}) == 1 for call in target.calls[NEIGHBOURS + 1 :])
    assert answers.vectors["000"].tolist() == [3, 4]


def test_a_refused_batch_is_asked_for_text_by_text() -> None:
    answers = ask(Recorder(refuses=[""]), CLASSES, len)
    assert answers.refused == {"": "no"}
    assert len(answers.vectors) == 40
    one_at_a_time = Recorder(most=1)
    assert len(ask(one_at_a_time, CLASSES, len).vectors) == 41
    assert len(one_at_a_time.calls) <= 60


def test_a_target_that_refuses_everything_is_given_up_at_once() -> None:
    target = Recorder(most=0)
    with pytest.raises(TargetError, match="no"):
        ask(target, CLASSES, len)
    assert len(target.calls) == NEIGHBOURS


def test_vectors_of_several_lengths_are_refused() -> None:
    class Uneven(Recorder):
        def embed(self, texts: Sequence[str]) -> AnyArray:
            return np.ones((len(texts), 2 + len(texts) % 3))

    with pytest.raises(TargetError, match="asked for vectors of one length, got 2 for"):
        ask(Uneven(), CLASSES, len)


def test_only_the_40_texts_are_sent_with_quick() -> None:
    target, classes = Recorder(), chosen_texts(quick=True)
    ask(target, classes, len)
    texts = {text for members in classes.values() for text in members}
    assert {text for call in target.calls for text in call} == texts
    assert len(texts) == 40
    assert "hello world" in texts  # which finds the protocol
