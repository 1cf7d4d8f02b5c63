"""Every intermediate of a trace against transformers' models, where torch is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.tokenizer import pad
from minilm.trace.comparison import TOLERANCES, Comparer
from minilm.trace.files import Tensor
from minilm.trace.inputs import Inputs, inputs_of_texts
from minilm.trace.oracle import Oracle
from tests.parity.neighbours import CLASSES, FAMILIES, save_encoder
from tests.trace.make_tolerances import TEXTS, part_of
from tests.trace.original import load_bert, original_intermediates

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; see '.[golden]'")

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


def neighbour(family: str, directory: Path) -> tuple[Comparer, Any]:
    """A comparison with a random network of a family, and transformers' model of it in float64."""
    save_encoder(family, directory)
    options = {} if family == "distilbert" else {"add_pooling_layer": False}
    model = getattr(transformers, f"{CLASSES[family]}Model").from_pretrained(
        str(directory), dtype=torch.float64, attn_implementation="eager", **options
    )
    oracle = Oracle(MiniLM(directory))
    inputs, _ = inputs_of_texts(oracle.model, SHORT)
    return Comparer(oracle, inputs, tolerance=1e-12), model.eval()  # measured: 1e-14


def neighbours_intermediates(one: Comparer, model: Any, family: str, **inputs: Any) -> dict[str, Tensor]:
    ids, mask = one.ours["input_ids"], one.ours["attention_mask"]
    found = original_intermediates(model, ids, mask, family=family, **inputs)
    return {name: Tensor(x, "float32") for name, x in found.items()}


@pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair
@pytest.mark.parametrize("family", FAMILIES)
def test_the_tensors_of_a_neighbour_have_the_names_of_its_own_modules(family: str, tmp_path: Path) -> None:
    one, model = neighbour(family, tmp_path)
    found = neighbours_intermediates(one, model, family)
    result = one.compare(found)
    assert (result.difference, result.unknown) == (None, [])
    assert result.missing == ["sentence_embedding.pooled", "sentence_embedding"]
    assert {*result.compared} == found.keys()


@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_with_a_neighbour_is_named(tmp_path: Path) -> None:
    one, model = neighbour("mpnet", tmp_path / "mpnet")
    model.encoder.relative_attention_bias.weight.data *= 0
    result = one.compare(neighbours_intermediates(one, model, "mpnet"))
    assert result.difference is not None
    assert result.difference.name == "encoder.layer.0.attention.attn.attention_scores"
    assert result.difference.says.endswith("before the mask: the bias of relative positions is not added")
    one, model = neighbour("roberta", tmp_path / "roberta")
    from_0 = torch.arange(one.ours["input_ids"].shape[1])[None]
    result = one.compare(neighbours_intermediates(one, model, "roberta", position_ids=from_0))
    assert result.difference is not None
    assert result.difference.says == "position embeddings: positions are counted from 0"


def test_the_rows_of_the_table_are_the_parts_of_the_encoder() -> None:
    assert part_of("encoder.layer.4.attention.self.key") == "layer 4"
    assert part_of("embeddings.LayerNorm") == "embeddings"
