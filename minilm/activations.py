"""What bends the values between the feed-forward step's two linear layers, which else would be one.

By the names of Hugging Face's ``hidden_act``; all-MiniLM-L6-v2 has "gelu". Each takes and returns an array of
any shape, element by element.

References
----------
.. [1] Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415
.. [2] Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def gelu(x: Array) -> Array:
    """``x Phi(x)``, Phi the normal distribution function ``(1 + erf(x / sqrt 2)) / 2``. [1]_, section 2."""
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Array) -> Array:
    """GELU by tanh, which some checkpoints were trained with: up to 5e-4 from the other. [1]_, section 2."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def relu(x: Array) -> Array:
    """``x`` where it is positive, else 0. [2]_, equation 2."""
    return np.maximum(x, 0)


def erf(x: Array) -> Array:
    """The error function, element by element.

    numpy has none: math.erf is the C library's, right to the last bit of float64, and slow.
    """
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, computed from the side on which exp cannot overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def identity(x: Array) -> Array:
    """``x`` unchanged."""
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "linear": identity,
}
"""By the names of Hugging Face's ``hidden_act``."""

TORCH_ACTIVATIONS = {"Identity": identity, "Tanh": tanh, "Sigmoid": sigmoid, "ReLU": relu, "GELU": gelu}
"""By the names of torch's classes, as Dense modules and classifiers name them."""
