"""Activation functions: the non-linearity between the two linear layers of the feed-forward step.

Without a non-linearity, two linear layers after one another would be a single linear layer. all-MiniLM-L6-v2
uses GELU. Each function takes floats of any shape, works element by element, and keeps shape and dtype. Only
:func:`softmax` looks along the last axis: it makes shares of scores, in attention and in classifiers.

References
----------
.. [1] Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415
.. [2] Vaswani et al. 2017, "Attention Is All You Need", https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minilm._arrays import FloatArray, no_float_errors

Activation = Callable[[FloatArray], FloatArray]


@no_float_errors
def gelu(x: FloatArray) -> FloatArray:
    """``x Phi(x)``, Phi the normal distribution function ``(1 + erf(x / sqrt 2)) / 2``. [1]_, section 2."""
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


@no_float_errors
def gelu_tanh(x: FloatArray) -> FloatArray:
    """GELU approximated by tanh, up to 5e-4 from :func:`gelu`; some checkpoints use it. [1]_, section 2."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def relu(x: FloatArray) -> FloatArray:
    """``x`` where it is positive, else 0. [2]_, equation 2."""
    return np.maximum(x, 0)


@no_float_errors
def sigmoid(x: FloatArray) -> FloatArray:
    """``1 / (1 + exp(-x))``, written so that exp does not overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


@no_float_errors
def softmax(x: FloatArray) -> FloatArray:
    """``exp(x) / sum(exp(x))`` over the last axis: positive shares that sum to 1.

    The maximum is subtracted first. In exact arithmetic it cancels, but exp overflows in float32 at 88.7, and
    attention scores of this model reach 92.7.
    """
    exp = np.exp(x - x.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def identity(x: FloatArray) -> FloatArray:
    """``x`` itself."""
    return x


@no_float_errors
def erf(x: FloatArray) -> FloatArray:
    """The error function by math.erf, accurate to the last bits of float64, and slow; numpy has none."""
    return np.fromiter(map(math.erf, x.flat), np.float64, x.size).reshape(x.shape).astype(x.dtype)


ACTIVATIONS: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "linear": identity,
}
"""The activation functions by their names in Hugging Face's ``hidden_act``."""


def activation_function(hidden_act: str) -> Activation:
    """The function of this name in :data:`ACTIVATIONS`; ValueError for another name."""
    if hidden_act not in ACTIVATIONS:
        raise ValueError(f"hidden_act {hidden_act!r} is not supported, only {', '.join(ACTIVATIONS)} are")
    return ACTIVATIONS[hidden_act]


TORCH_ACTIVATIONS: dict[str, Activation] = {
    "GELU": gelu,
    "Identity": identity,
    "ReLU": relu,
    "Sigmoid": sigmoid,
    "Tanh": np.tanh,
}
"""The activation functions by the names of torch's classes, as Dense modules and classifiers name them."""
