"""Weights rounded to fewer bits."""

from __future__ import annotations

import numpy as np
import pytest

from minilm.check.rounding import (
    ROUNDINGS,
    bfloat16,
    float16,
    int7_per_tensor,
    int8_in_blocks,
    int8_per_row,
    int8_per_tensor,
    rounded,
    uint8_per_tensor,
)

VALUES = np.array([1.0, 1.00390625, 1.01171875, 3.14159274, -0.1, 0.0], np.float32)


def test_bfloat16_keeps_8_bits_and_rounds_ties_to_even() -> None:
    # 1 + 2^-8 lies halfway between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6
    assert bfloat16(VALUES).tolist() == [1.0, 1.0, 1.015625, 3.140625, -0.10009765625, 0.0]


def test_float16_keeps_11_bits() -> None:
    assert float16(VALUES).tolist() == [1.0, 1.00390625, 1.01171875, 3.140625, -0.0999755859375, 0.0]


def test_int8_has_255_steps_over_the_range_of_its_scale() -> None:
    x = np.array([[-1.0, 0.5, 0.003], [100.0, 0.2, -127.0]], np.float32)
    np.testing.assert_allclose(int8_per_tensor(x), [[-1, 0, 0], [100, 0, -127]], atol=1e-6)
    np.testing.assert_allclose(int8_per_row(x)[0], np.rint(x[0] * 127) / 127, atol=1e-6)
    np.testing.assert_allclose(int7_per_tensor(x), np.rint(x * 64 / 127) * 127 / 64, atol=1e-5)
    # one step of uint8 is (100 + 127) / 255
    step = 227 / 255
    np.testing.assert_allclose(uint8_per_tensor(x), np.rint(x / step) * step, atol=step)
    assert np.abs(uint8_per_tensor(x) - x).max() <= step / 2 + 1e-5


def test_blocks_of_32_have_a_scale_each() -> None:
    x = np.concatenate([np.full(32, 127.0), np.full(32, 1e-3)]).astype(np.float32)[None]
    np.testing.assert_allclose(int8_in_blocks(x), x, rtol=1e-3)
    assert int8_in_blocks(np.zeros((1, 32), np.float32)).tolist() == [[0.0] * 32]


@pytest.mark.parametrize("name", ROUNDINGS)
def test_each_rounding_changes_weights_by_no_more_than_half_a_step(name: str) -> None:
    weight = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    parameters = {
        "encoder.layer.0.output.dense.weight": weight,
        "encoder.layer.0.output.dense.bias": weight[0],
    }
    result = rounded(parameters, name)
    difference = np.abs(result["encoder.layer.0.output.dense.weight"] - weight).max()
    assert 0 < difference <= np.abs(weight).max() / 127 + 1e-6
    is_kept = (result["encoder.layer.0.output.dense.bias"] == weight[0]).all()
    assert is_kept == (ROUNDINGS[name][0] == "int8")
