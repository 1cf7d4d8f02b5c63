"""Checkpoints as other people make them: the same numbers as the original, or a refusal by name.

Each is a small checkpoint that the original saved, with one change: see ``checkpoint_table.py``. Where the
original raises, minilm raises as well. Needs the extra "golden".
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, CrossEncoder, MiniLM, TruncationWarning
from minilm.errors import CheckpointWarning
from tests.parity.checkpoint_table import CROSS_ENCODERS, SENTENCE_ENCODERS
from tests.parity.checkpoint_variants import PAIRS, TEXTS, Variant, write_base

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    pytest.importorskip("transformers", reason="transformers is not installed")
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

# Both compute in float32 and round in another order; components are of the order of 1.
BOUND = 2e-6


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[type, Path]:
    """The two checkpoints that are changed."""
    directories: dict[type, Path] = {}
    for kind, labels in ((MiniLM, 0), (CrossEncoder, 1)):
        # the original takes a directory with "bert" in its name for BERT, whatever its config.json says
        directories[kind] = tmp_path_factory.mktemp("base") / "checkpoint"
        write_base(directories[kind], num_labels=labels)
    return directories


@pytest.fixture
def changed(bases: dict[type, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that copies a checkpoint and changes the copy."""

    def change(kind: type, variant: Variant) -> Path:
        directory = tmp_path_factory.mktemp("changed") / "checkpoint"
        shutil.copytree(bases[kind], directory)
        variant.change(directory)
        return directory

    return change


def outputs(model: Any) -> list[Any]:
    if hasattr(model, "predict"):
        return [model.predict(PAIRS)]
    return [model.encode(TEXTS), model.encode_query(TEXTS), model.encode_document(TEXTS)]


def originals(kind: type, directory: Path, *, is_float32: bool) -> list[Any]:
    name = "CrossEncoder" if kind is CrossEncoder else "SentenceTransformer"
    options = {"model_kwargs": {"dtype": torch.float32}} if is_float32 else {}
    return outputs(getattr(sentence_transformers, name)(str(directory), device="cpu", **options))


def check(kind: Any, variant: Variant, directory: Path, base: Path) -> None:
    if variant.refused:
        with pytest.raises(CheckpointError) as error:
            outputs(kind(directory))
        assert variant.refused in str(error.value)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mine = outputs(kind(directory))
    messages = [str(w.message) for w in caught if w.category is CheckpointWarning]
    others = [w for w in caught if w.category not in (CheckpointWarning, TruncationWarning)]
    assert len(messages) == bool(variant.warns), messages
    assert all(variant.warns in message for message in messages)
    assert not others
    theirs = originals(kind, base if variant.is_lost else directory, is_float32=variant.is_float32)
    for ours, original in zip(mine, theirs, strict=True):
        assert ours.shape == original.shape
        np.testing.assert_allclose(ours, original, rtol=0, atol=BOUND)


def names(variants: list[Variant]) -> list[str]:
    return [variant.name for variant in variants]


@pytest.mark.parametrize("variant", SENTENCE_ENCODERS, ids=names(SENTENCE_ENCODERS))
def test_a_sentence_encoder_is_obeyed_or_refused(changed: Any, bases: Any, variant: Variant) -> None:
    check(MiniLM, variant, changed(MiniLM, variant), bases[MiniLM])


@pytest.mark.parametrize("variant", CROSS_ENCODERS, ids=names(CROSS_ENCODERS))
def test_a_cross_encoder_is_obeyed_or_refused(changed: Any, bases: Any, variant: Variant) -> None:
    check(CrossEncoder, variant, changed(CrossEncoder, variant), bases[CrossEncoder])


def test_no_two_variants_have_the_same_name() -> None:
    for variants in (SENTENCE_ENCODERS, CROSS_ENCODERS):
        assert len(set(names(variants))) == len(variants) >= 70
