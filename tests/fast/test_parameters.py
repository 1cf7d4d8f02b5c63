"""parameters.py: weights laid out in panels, sums cut into parts, and the activation functions."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from minilm import activations
from minilm.checkpoint.weights import expected_shapes
from minilm.fast import packed, parameters
from minilm.fast.parameters import PANEL_COLUMNS, pack_parameters
from tests.checkpoints import TINY, random_parameters
from tests.fast.networks import config_of


def test_widths_of_whole_panels_are_laid_out_in_panels() -> None:
    config = config_of(heads=2, head_size=64, layers=1, intermediate=768)
    [layer] = pack_parameters(random_parameters(config, 1), config, in_panels=True).layers
    assert layer.query_key_value.weight.panels.shape == (6, 128, PANEL_COLUMNS)
    assert layer.attention_output.weight.panels.shape == (2, 128, PANEL_COLUMNS)
    assert layer.intermediate.weight.panels.shape == (12, 128, PANEL_COLUMNS)
    assert [part.panels.shape for part in layer.output] == [(2, 384, PANEL_COLUMNS)] * 2
    weights = [
        layer.query_key_value.weight,
        layer.attention_output.weight,
        layer.intermediate.weight,
        *layer.output,
    ]
    assert {weight.panels.dtype for weight in weights} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("hidden_size", "rows"),
    # the largest multiple of 8 rows, up to 32, whose product with a panel has at most a million multiply-adds
    [(128, 32), (384, 32), (512, 24), (768, 16), (1024, 8), (1920, 8), (1984, sys.maxsize)],
)
def test_a_block_has_as_many_rows_as_make_a_small_product(hidden_size: int, rows: int) -> None:
    config = config_of(heads=hidden_size // 64, head_size=64, layers=1, intermediate=64)
    [layer] = pack_parameters(random_parameters(config, 1), config, in_panels=True).layers
    assert layer.attention_output.weight.block_rows == rows
    assert isinstance(layer.attention_output.weight.block_rows, int)  # slices are cut by it
    assert layer.attention_output.weight.panels.shape[1:] == (hidden_size, 64 if rows < 100 else hidden_size)
    [layer] = pack_parameters(random_parameters(config, 1), config).layers
    assert layer.attention_output.weight.block_rows == sys.maxsize


def test_no_product_sums_more_terms_than_the_longest_sum() -> None:
    config = config_of(heads=2, head_size=8, layers=1, intermediate=900)
    [layer] = pack_parameters(random_parameters(config, 1), config).layers
    assert [part.panels.shape[1] for part in layer.output] == [300, 300, 300]


def test_the_polynomial_is_gelu_to_seven_digits() -> None:
    x = np.linspace(-40, 40, 400_001)
    square = x * x
    polynomial = np.polynomial.polynomial.polyval(square, parameters.GELU_COEFFICIENTS)
    by_tanh = 0.5 * x * (1 + np.tanh(x * polynomial))
    # the error that the comment beside the coefficients states
    assert np.abs(by_tanh - activations.gelu(x)).max() <= 6.6e-8


def test_an_activation_function_that_packed_does_not_compute_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(activations.ACTIVATIONS, "silu", lambda x: x * activations.sigmoid(x))
    for name in ("silu", "sigmoid", "unknown"):
        config = replace(TINY, hidden_act=name)
        with pytest.raises(ValueError, match=f"hidden_act '{name}' is not supported, only gelu, "):
            pack_parameters(random_parameters(TINY, 1), config)


def test_parameters_are_left_as_they_were() -> None:
    originals = random_parameters(TINY, 3, np.float32)
    copies = {name: values.copy() for name, values in originals.items()}
    fused = pack_parameters(originals, TINY)
    packed.encode_pack(np.array([1, 2]), [packed.Group(0, 1, 2)], fused, packed.Workspace(2, fused))
    assert list(originals) == list(expected_shapes(TINY))
    for name, values in originals.items():
        np.testing.assert_array_equal(values, copies[name])


@pytest.mark.parametrize("in_panels", [False, True])
def test_the_fused_weights_are_those_of_the_checkpoint(in_panels: bool) -> None:
    config = config_of(heads=2, head_size=64, layers=1, intermediate=768)
    originals = random_parameters(config, 1, np.float32)
    [layer] = pack_parameters(originals, config, in_panels=in_panels).layers

    def tensor(name: str) -> np.ndarray:
        return np.asarray(originals[f"encoder.layer.0.{name}"])

    def whole(weight: parameters.Weight) -> np.ndarray:
        return weight.panels.transpose(1, 0, 2).reshape(weight.panels.shape[1], -1)

    for kind in ("weight", "bias"):
        query, key, value = (tensor(f"attention.self.{part}.{kind}") for part in ("query", "key", "value"))
        expected = np.concatenate([query * np.float32(1 / 8), key, value], axis=-1)  # 8 is the root of 64
        fused = layer.query_key_value
        np.testing.assert_array_equal(fused.bias if kind == "bias" else whole(fused.weight), expected)
    np.testing.assert_array_equal(whole(layer.intermediate.weight), tensor("intermediate.dense.weight"))
    halves = np.concatenate([whole(part) for part in layer.output])
    np.testing.assert_array_equal(halves, tensor("output.dense.weight") / 2)
