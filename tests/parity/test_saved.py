"""What save_pretrained writes: loaded by both packages, it is the model that was saved.

The right scores are those of the original, with the same settings. Needs the extra "golden".
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from tests.parity.checkpoint_variants import (
    PAIRS,
    TEXTS,
    Change,
    bert,
    both,
    delete,
    in_folder,
    part,
    sbert,
    settings,
    tok,
    without,
    write_base,
)

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

BOUND = 2e-6  # both compute in float32 and round in another order; components are of the order of 1

CLASSES = {0: (MiniLM, sentence_transformers.SentenceTransformer)}
CROSS = (CrossEncoder, sentence_transformers.CrossEncoder)


class Case(NamedTuple):
    """A checkpoint, and settings of the model that is loaded from it and saved."""

    name: str
    labels: int  # 0: a sentence encoder
    change: Change
    set: Callable[[Any], object]


def setting(**values: Any) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        for name, value in values.items():
            setattr(model, name, value)

    return change


def cut_left(model: Any) -> None:
    model.tokenizer.truncation_side = "left"


def cut_right(model: Any) -> None:
    model.tokenizer.truncation_side = "right"


def as_version_6(directory: Path) -> None:
    """Let the original load and save the cross-encoder, which adds the files of its version 6."""
    saved = directory.with_name("version 6")
    sentence_transformers.CrossEncoder(str(directory), device="cpu").save_pretrained(str(saved))
    shutil.rmtree(directory)
    saved.rename(directory)


SHORT = setting(max_seq_length=8)
PLAIN = delete("modules.json", "1_Pooling", "2_Normalize", "sentence_bert_config.json")
LEFT = {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
TANH = "torch.nn.modules.activation.Tanh"

CASES = [
    Case("a length", 0, both(), SHORT),
    Case(
        "a length before that of processor_kwargs", 0, sbert(processor_kwargs={"model_max_length": 12}), SHORT
    ),
    Case("a length before that of tokenizer_args", 0, sbert(tokenizer_args={"model_max_length": 12}), SHORT),
    Case("a length of a plain directory", 0, PLAIN, SHORT),
    Case("a length of 0_Transformer", 0, in_folder, setting(max_seq_length=8, truncate_dim=4)),
    Case("no truncate_dim", 0, settings(truncate_dim=4), setting(truncate_dim=None)),
    Case(
        "no default prompt",
        0,
        settings(prompts={"x": "a "}, default_prompt_name="x"),
        setting(default_prompt_name=None),
    ),
    Case("a plain directory without hidden_size", 0, both(PLAIN, without("architectures")), SHORT),
    Case("cut on the left", 0, both(), cut_left),
    Case("cut on the left, plain", 0, PLAIN, cut_left),
    Case("cut on the right", 0, tok(truncation_side="left"), cut_right),
    Case("cut on the right, by tokenizer.json", 0, part("truncation", LEFT), cut_right),
    Case(
        "cut on the right, by processor_kwargs",
        0,
        sbert(processor_kwargs={"truncation_side": "left"}),
        cut_right,
    ),
    Case("pairs cut on the left", 1, both(), cut_left),
    *(
        Case(f"{name} of {labels} labels", labels, change, setting(activation_fn=getattr(torch.nn, name)()))
        for labels, change, name in (
            (1, both(), "Identity"),
            (1, both(), "Tanh"),
            (1, bert(sbert_ce_default_activation_function=TANH), "Identity"),
            (1, as_version_6, "ReLU"),
            (3, both(), "Softmax"),
            (3, both(), "Sigmoid"),
        )
    ),
    Case("a length of pairs", 1, as_version_6, setting(max_length=9)),
    Case(
        "a length of pairs before that of sentence_bert_config.json",
        1,
        both(as_version_6, sbert(max_seq_length=12)),
        setting(max_length=9),
    ),
]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A checkpoint of each kind: by the number of its labels."""
    root = tmp_path_factory.mktemp("base")
    for labels in (0, 1, 3):
        (root / str(labels)).mkdir()
        write_base(root / str(labels) / "checkpoint", num_labels=labels)
    return {labels: root / str(labels) / "checkpoint" for labels in (0, 1, 3)}


def outputs(model: Any) -> Any:
    if hasattr(model, "predict"):
        return model.predict(PAIRS)
    return np.concatenate([model.encode(TEXTS), model.encode_query(TEXTS), model.encode_document(TEXTS)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_saved_model_is_the_same_in_both_packages(
    bases: dict[int, Path], tmp_path: Path, case: Case
) -> None:
    ours, theirs = CLASSES.get(case.labels, CROSS)
    directory, saved = tmp_path / "checkpoint", tmp_path / "saved"
    shutil.copytree(bases[case.labels], directory)
    case.change(directory)
    original = theirs(str(directory), device="cpu")
    case.set(original)
    expected = outputs(original)
    model = ours(directory)
    case.set(model)
    model.save_pretrained(saved)
    for one in (model, ours(saved), theirs(str(saved), device="cpu")):
        np.testing.assert_allclose(outputs(one), expected, rtol=0, atol=BOUND)


@pytest.mark.parametrize(
    "activation_fn", [torch.sigmoid, lambda x: x, torch.nn.LeakyReLU(0.3), torch.nn.GELU("tanh")], ids=repr
)
def test_an_activation_that_no_file_can_name_is_not_saved(
    bases: dict[int, Path], tmp_path: Path, activation_fn: Any
) -> None:
    # the original writes a name that it does not take back, or forgets the argument
    model = CrossEncoder(bases[1], activation_fn=activation_fn)
    with pytest.raises(
        ValueError, match=r"no file of a checkpoint can name: to save, set one of torch\.nn's"
    ):
        model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_no_pickles_are_written(bases: dict[int, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="writes no pickles"):
        MiniLM(bases[0]).save_pretrained(tmp_path / "saved", safe_serialization=False)
    with pytest.raises(TypeError, match="max_shard_size"):
        MiniLM(bases[0]).save_pretrained(tmp_path / "saved", max_shard_size="1GB")  # type: ignore[call-arg]
