"""dense.py: the layer by hand, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, MiniLM
from minilm.activations import identity, sigmoid, softmax
from minilm.checkpoint.config import read_settings
from minilm.checkpoint.heads import read_dense, read_labels, read_probability
from tests.checkpoints import (
    DENSE_BIAS,
    DENSE_WEIGHT,
    TINY,
    MakeCheckpoint,
    add_dense,
    write_cross_encoder,
    write_dense,
)


def test_the_layer_by_hand(tmp_path: Path) -> None:
    dense = read_dense(write_dense(tmp_path))
    np.testing.assert_array_equal(dense(np.array([[1, 1, 1]], np.float32)), [[3.5, -0.5]])
    through_relu = read_dense(write_dense(tmp_path, activation_function="torch.nn.modules.activation.ReLU"))
    np.testing.assert_array_equal(through_relu(np.array([[1, 1, 1]], np.float32)), [[3.5, 0]])
    through_tanh = read_dense(write_dense(tmp_path, activation_function="torch.nn.Tanh"))
    np.testing.assert_allclose(through_tanh(np.array([[0, 0, 0]], np.float32)), [np.tanh(DENSE_BIAS)])
    without = read_dense(write_dense(tmp_path, {"linear.weight": DENSE_WEIGHT}, bias=False))
    np.testing.assert_array_equal(without(np.array([[1, 1, 1]], np.float32)), [[3, 0]])


@pytest.mark.parametrize(
    ("tensors", "fields", "message"),
    [
        (None, {"use_residual": True}, "use_residual True is not supported"),
        (None, {"module_input_name": "token_embeddings"}, "module_input_name 'token_embeddings' is not"),
        (
            None,
            {"activation_function": "torch.nn.SELU"},
            r"'torch\.nn\.SELU' is not supported, only torch.nn's GELU, Identity",
        ),
        (None, {"activation_function": "torch.nn.modulesX.Tanh"}, r"'torch\.nn\.modulesX\.Tanh' is not"),
        (None, {"activation_function": "torch.nn.modules.foo.Tanh"}, "foo.Tanh' is not supported"),
        (None, {"activation_function": ["Tanh"]}, r"activation_function \['Tanh'\] is not supported, only"),
        (None, {"activation_function": None}, "activation_function None is not supported, only"),
        (None, {"in_features": 4}, r"has shape \(2, 3\), config.json says \(2, 4\)"),
        (None, {"bias": False}, "does not fit its config.json: unexpected: linear.bias"),
        ({"linear.weight": DENSE_WEIGHT}, {}, "does not fit its config.json: missing: linear.bias"),
        (
            {"linear.weight": DENSE_WEIGHT * np.nan, "linear.bias": DENSE_BIAS},
            {},
            "linear.weight holds nan; a weight is finite",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused(
    tmp_path: Path, tensors: Any, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_dense(write_dense(tmp_path, tensors, **fields))


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    directory = write_dense(tmp_path)
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="opens safetensors only, no pickles"):
        read_dense(directory)
    (directory / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_dense(directory)


def test_a_layer_must_fit_what_comes_before_it(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    add_dense(directory)
    with pytest.raises(
        CheckpointError, match=f"takes embeddings of width 3, but gets width {TINY.hidden_size}"
    ):
        MiniLM(directory)
    wide = {"linear.weight": np.ones((2, TINY.hidden_size), np.float32), "linear.bias": DENSE_BIAS}
    write_dense(directory / "2_Dense", wide, in_features=TINY.hidden_size)
    model = MiniLM(directory)
    assert model.encode(["a b", "c"]).shape == (2, 2)
    assert model.embedding_dimension == 2
    np.testing.assert_allclose(np.linalg.norm(model.encode(["a b", "c"]), axis=1), 1, rtol=1e-6)  # float32


@pytest.mark.parametrize(
    ("fields", "labels", "names", "function"),
    [
        ({}, 3, ["LABEL_0", "LABEL_1", "LABEL_2"], softmax),
        ({"id2label": {"0": "no", "1": "yes"}}, 2, ["no", "yes"], softmax),
        ({"id2label": {"1": "yes"}, "num_labels": 2}, 2, ["LABEL_0", "yes"], softmax),
        ({"problem_type": "multi_label_classification"}, 2, ["LABEL_0", "LABEL_1"], sigmoid),
        ({"problem_type": "single_label_classification"}, 2, ["LABEL_0", "LABEL_1"], softmax),
        ({"problem_type": "regression"}, 1, ["LABEL_0"], identity),
        ({}, 1, ["LABEL_0"], sigmoid),
    ],
)
def test_labels_and_their_function_are_those_of_transformers(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], labels: int, names: list[str], function: Any
) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=labels, **fields)
    settings = read_settings(directory, kind="CrossEncoder")
    assert read_labels(settings, labels) == names
    assert read_probability(settings, labels) is function


def test_a_label_that_is_no_text_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=2, id2label={"0": "no", "1": 5})
    with pytest.raises(CheckpointError, match="id2label must name labels by texts"):
        read_labels(read_settings(directory, kind="CrossEncoder"), 2)
