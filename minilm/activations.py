"""What the feed-forward layers bend their values with, under the names of Hugging Face's ``hidden_act``.

References
----------
.. [1] Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", https://arxiv.org/abs/1606.08415
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def gelu(x: Array) -> Array:
    """``x`` times the standard normal distribution function at ``x``. [1]_, section 2."""
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Array) -> Array:
    """GELU as some checkpoints were trained with it, by tanh; up to 5e-4 off. [1]_, section 2."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def relu(x: Array) -> Array:
    """``x`` where it is positive, else 0."""
    return np.maximum(x, 0)


def erf(x: Array) -> Array:
    """The error function, element by element.

    numpy has none: math.erf is the C library's, right to the last bit of float64, and slow.
    """
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": relu,
}
