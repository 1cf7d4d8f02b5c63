"""The float64 oracle, on a small random network, against the textbook's formulas in another order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import MiniLM
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from minilm.trace.names import TENSORS, kind_of
from minilm.trace.oracle import Oracle, weights_path
from tests.checkpoints import MakeCheckpoint
from tests.intermediates import encode_with_intermediates

ROWS = [[2, 5, 6, 3], [2, 7, 3], [2, 8, 9, 3]]


@pytest.fixture
def oracle(make_checkpoint: MakeCheckpoint) -> Oracle:
    return Oracle(MiniLM(make_checkpoint()))


def test_a_vector_is_that_of_the_text_alone(oracle: Oracle) -> None:
    vectors = oracle.vectors([*ROWS, ROWS[1]])
    assert vectors.dtype == np.float64
    for row, vector in zip([*ROWS, ROWS[1]], vectors, strict=True):
        ids, mask = pad([row])
        states = encode_with_intermediates(ids, mask, oracle.parameters, oracle.model.config)
        expected = normalize(mean_pooling(states.last_hidden_state, mask))[0]
        np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(vectors[1], vectors[3])


def test_every_tensor_is_there_in_the_order_of_computation(oracle: Oracle) -> None:
    found = oracle.intermediates(*pad(ROWS))
    layer = [name for name in TENSORS if name.startswith(("attention.", "intermediate", "output"))]
    assert layer[:2] == ["attention.self.query", "attention.self.key"]
    kinds = [kind_of(name) for name in found]
    assert kinds == [*[*TENSORS][:8], *layer, *layer, *[*TENSORS][-2:]]
    assert all(x.dtype == np.float64 for name, x in found.items() if "ids" not in name and "mask" not in name)


def test_intermediates_fit_together(oracle: Oracle) -> None:
    ids, mask = pad(ROWS)
    found = oracle.intermediates(ids, mask)
    both = encode_with_intermediates(ids, mask, oracle.parameters, oracle.model.config)
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        np.testing.assert_array_equal(found[f"{name}.output.LayerNorm"], both.hidden_states[layer + 1])
        probs = found[f"{name}.attention.self.attention_probs"]
        np.testing.assert_array_equal(probs, both.attention_probs[layer])
        before = found[f"{name}.attention.output.dense"] + both.hidden_states[layer]
        np.testing.assert_array_equal(found[f"{name}.attention.output.LayerNorm.input"], before)
    np.testing.assert_allclose(found["sentence_embedding"], oracle.vectors(ROWS), rtol=0, atol=1e-14)
    pooled = found["sentence_embedding.pooled"]
    np.testing.assert_allclose(pooled, mean_pooling(both.last_hidden_state, mask), rtol=0, atol=1e-14)


def test_float64_lies_within_float32s_error_of_encode(model: MiniLM) -> None:
    texts = ["hello world", "A girl is styling her hair."]
    rows = model.pipeline.tokenizer.texts(texts).input_ids
    # six layers in float32: up to 3e-7 in a component
    np.testing.assert_allclose(Oracle(model).vectors(rows), model.encode(texts), rtol=0, atol=1e-6)


def test_a_dense_module_keeps_float64(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    modules = json.loads((directory / "modules.json").read_text())
    kind = "sentence_transformers.models.Dense"
    modules[2:] = [{"idx": 2, "name": "2", "path": "2_Dense", "type": kind}]
    (directory / "modules.json").write_text(json.dumps(modules))
    (directory / "2_Dense").mkdir()
    fields = {"in_features": 16, "out_features": 4, "bias": True}
    function = "torch.nn.modules.activation.Tanh"
    (directory / "2_Dense" / "config.json").write_text(
        json.dumps({**fields, "activation_function": function})
    )
    weight = np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32)
    tensors = {"linear.weight": weight, "linear.bias": np.ones(4, np.float32)}
    save_file(tensors, directory / "2_Dense" / "model.safetensors")
    found = Oracle(MiniLM(directory)).intermediates(*pad(ROWS))
    expected = np.tanh(found["sentence_embedding.pooled"] @ weight.T.astype(np.float64) + 1)
    # a step through float32 would leave 1e-8
    np.testing.assert_allclose(found["sentence_embedding"], expected, rtol=0, atol=1e-15)


def test_the_weights_are_the_checkpoints_file(make_checkpoint: MakeCheckpoint) -> None:
    model = MiniLM(make_checkpoint())
    path = weights_path(model.checkpoint)
    assert path == model.checkpoint.directory / "model.safetensors"
    stored = load_file(path)["encoder.layer.0.output.dense.weight"]
    np.testing.assert_array_equal(Oracle(model).parameters["encoder.layer.0.output.dense.weight"], stored.T)
