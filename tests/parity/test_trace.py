"""Every intermediate of a trace against transformers' BertModel, where torch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.tokenizer import pad
from minilm.trace.comparison import TOLERANCES, Comparer
from minilm.trace.files import Tensor
from minilm.trace.inputs import Inputs, inputs_of_texts
from minilm.trace.oracle import Oracle
from tests.trace.make_tolerances import TEXTS, part_of
from tests.trace.original import load_bert, original_intermediates

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
pytest.importorskip("transformers", reason="transformers is not installed; see '.[golden]'")

SHORT = ["hello world", "A girl is styling her hair.", "", "今天天气很好"]


@pytest.fixture(scope="module")
def oracle(model: MiniLM) -> Oracle:
    return Oracle(model)


def theirs(oracle: Oracle, inputs: Inputs, dtype: str) -> dict[str, Any]:
    bert = load_bert(oracle.model.checkpoint.directory, dtype)
    return original_intermediates(bert, inputs.input_ids, inputs.attention_mask)


def test_every_tensor_is_what_a_hook_sees_in_float64(oracle: Oracle) -> None:
    inputs, _ = inputs_of_texts(oracle.model, SHORT)
    comparer = Comparer(oracle, inputs, tolerance=1e-12)  # measured: 7e-14
    found = theirs(oracle, inputs, "float64")
    expected = {name for name in comparer.ours if not name.startswith(("sentence_", *Inputs._fields))}
    assert found.keys() == expected
    result = comparer.compare({name: Tensor(x, "float32") for name, x in found.items()})
    assert result.difference is None
    assert {*result.compared} == expected


def test_hidden_states_and_attentions_are_the_outputs_of_layers(oracle: Oracle) -> None:
    ids, mask = pad([[101, 7592, 2088, 102], [101, 7592, 102]])
    bert = load_bert(oracle.model.checkpoint.directory, "float64")
    with torch.inference_mode():
        output = bert(
            torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            output_hidden_states=True,
            output_attentions=True,
        )
    ours = oracle.intermediates(ids, mask)
    is_token = mask != 0
    np.testing.assert_allclose(
        output.hidden_states[0].numpy(), ours["embeddings.LayerNorm"], rtol=0, atol=1e-12
    )
    for layer, (states, probs) in enumerate(zip(output.hidden_states[1:], output.attentions, strict=True)):
        name = f"encoder.layer.{layer}"
        expected = ours[f"{name}.output.LayerNorm"][is_token]
        np.testing.assert_allclose(states.numpy()[is_token], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            probs.numpy().swapaxes(1, 2)[is_token],
            ours[f"{name}.attention.self.attention_probs"].swapaxes(1, 2)[is_token],
            rtol=0,
            atol=1e-12,
        )


@pytest.mark.parametrize("precision", TOLERANCES)
def test_each_precision_of_transformers_is_within_its_tolerance(precision: str, oracle: Oracle) -> None:
    inputs, _ = inputs_of_texts(oracle.model, TEXTS[::3])
    comparer = Comparer(oracle, inputs)
    found = theirs(oracle, inputs, precision)
    result = comparer.compare({name: Tensor(x, precision) for name, x in found.items()})
    assert result.difference is None
    assert result.largest > TOLERANCES[precision] / 20  # no wider than it must be


def test_wrong_settings_of_transformers_are_named(oracle: Oracle) -> None:
    inputs, _ = inputs_of_texts(oracle.model, SHORT)
    comparer = Comparer(oracle, inputs)
    bert = load_bert(oracle.model.checkpoint.directory)
    for layer in bert.encoder.layer[3:]:
        layer.intermediate.intermediate_act_fn = torch.nn.GELU(approximate="tanh")
    found = original_intermediates(bert, inputs.input_ids, inputs.attention_mask)
    result = comparer.compare({name: Tensor(x, "float32") for name, x in found.items()})
    assert result.difference is not None
    assert result.difference.says == (
        "layer 3, output of the activation function: GELU is approximated by tanh"
    )
    unmasked = original_intermediates(bert, inputs.input_ids, np.ones_like(inputs.attention_mask))
    result = comparer.compare({name: Tensor(x, "float32") for name, x in unmasked.items()})
    assert result.difference is not None
    assert result.difference.says == "layer 0, attention probabilities: masked keys have weight"


def test_the_rows_of_the_table_are_the_parts_of_the_encoder() -> None:
    assert part_of("encoder.layer.4.attention.self.key") == "layer 4"
    assert part_of("embeddings.LayerNorm") == "embeddings"
