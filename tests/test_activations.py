"""activations.py: each function on numbers worked out by hand, its dtype, and the names of torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minilm.activations import ACTIVATIONS, TORCH_ACTIVATIONS, erf, gelu, gelu_tanh, relu, softmax


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Phi(1) and Phi(-2), from tables of the normal distribution
        ("gelu", [1 * 0.8413447460685429, -2 * 0.02275013194817921, 0]),
        ("relu", [1, 0, 0]),
        ("sigmoid", [1 / (1 + math.exp(-1)), 1 / (1 + math.exp(2)), 0.5]),
        ("tanh", [math.tanh(1), math.tanh(-2), 0]),
        ("linear", [1, -2, 0]),
    ],
)
def test_each_function_gives_its_formula(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(ACTIVATIONS[name](np.array([1.0, -2.0, 0.0])), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype_are_kept(name: str, dtype: type) -> None:
    x: np.ndarray = np.linspace(-3, 3, 6, dtype=dtype).reshape(2, 3)
    result = ACTIVATIONS[name](x)
    assert (result.shape, result.dtype) == ((2, 3), np.dtype(dtype))


def test_erf_is_the_c_librarys() -> None:
    x = np.array([[-6.0, -1.0, -0.0], [1e-300, 0.5, 6.0]])
    assert erf(x).tolist() == [[math.erf(value) for value in row] for row in x.tolist()]
    assert erf(x.astype(np.float32)).dtype == np.float32


def test_gelu_is_x_times_the_normal_distribution_function() -> None:
    # Phi(1) and Phi(-2) to 16 digits, from tables of the normal distribution
    np.testing.assert_allclose(
        gelu(np.array([0.0, 1.0, -2.0])),
        [0.0, 0.8413447460685429, -2 * 0.0227501319481792],
        rtol=1e-15,
    )


def test_activations_on_known_numbers() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    # x Phi(x), Phi(1) = 0.8413447460685429 and Phi(2) = 0.9772498680518208 from tables
    np.testing.assert_allclose(gelu(x), [-(1 - 0.8413447460685429), 0, 2 * 0.9772498680518208], rtol=1e-15)
    everywhere = np.linspace(-6, 6, 10_001)
    difference = np.abs(gelu(everywhere) - gelu_tanh(everywhere)).max()
    assert 4e-4 < difference < 5e-4  # how far the two forms are apart, as gelu_tanh says
    np.testing.assert_array_equal(relu(x), [0, 0, 2])


def test_large_numbers_do_not_overflow() -> None:
    x = np.array([-1e30, 1e30], np.float32)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(ACTIVATIONS["sigmoid"](x), [0, 1])


def test_the_classes_of_torch_are_found_in_the_same_table() -> None:
    names = {"GELU": "gelu", "Identity": "linear", "ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
    assert {name: ACTIVATIONS[names[name]] for name in names} == TORCH_ACTIVATIONS


def test_softmax_sums_to_one_where_exp_alone_would_overflow() -> None:
    x = np.array([[92.7, 92.7, -1000.0], [1e4, 0.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(softmax(x), np.array([[0.5, 0.5, 0], [1, 0, 0]], np.float32))
