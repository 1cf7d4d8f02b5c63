"""The encoder's weights rounded to fewer bits, as other formats hold them, and back in float32.

Only weights are rounded here. A program that also computes with fewer bits has errors beyond these, but they
are independent of them, so the errors of its vectors still have these as a part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minilm._arrays import Float32Array, FloatArray

BLOCK = 32  # weights that share a scale in GGUF's Q8_0 and Q4_0


def float16(x: Float32Array) -> Float32Array:
    """Round to 11 bits: IEEE's half precision."""
    return x.astype(np.float16).astype(np.float32)


def bfloat16(x: Float32Array) -> Float32Array:
    """Round to 8 bits, ties to even: the upper half of a float32."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)


def _symmetric(x: Float32Array, axis: int | None, levels: int = 127) -> Float32Array:
    scale = np.abs(x).max(axis=axis, keepdims=True) / np.float32(levels)
    scale = np.where(scale == 0, np.float32(1), scale)
    return np.asarray(np.rint(x / scale) * scale, np.float32)


def int8_per_tensor(x: Float32Array) -> Float32Array:
    """One scale per weight: ONNX Runtime's dynamic quantization to QInt8."""
    return _symmetric(x, None)


def uint8_per_tensor(x: Float32Array) -> Float32Array:
    """One scale and one zero point per weight: ONNX Runtime's dynamic quantization to QUInt8."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = np.float32((high - low) / 255 or 1)
    zero = np.rint(-low / scale)
    return np.asarray((np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale, np.float32)


def int7_per_tensor(x: Float32Array) -> Float32Array:
    """One scale per weight, in 7 bits: ONNX Runtime's ``reduce_range``, for CPUs without VNNI."""
    return _symmetric(x, None, levels=64)


def int8_per_row(x: Float32Array) -> Float32Array:
    """One scale per output of a layer, or per token: CTranslate2, OpenVINO, per-channel ONNX."""
    return _symmetric(x, -1)


def int8_in_blocks(x: Float32Array) -> Float32Array:
    """One float16 scale per 32 weights: GGUF's Q8_0, as llama.cpp and Ollama have it."""
    return _in_blocks(x, 127)


def _in_blocks(x: Float32Array, levels: int) -> Float32Array:
    blocks = x.reshape(-1, BLOCK)
    scale = np.asarray(np.abs(blocks).max(axis=1, keepdims=True) / np.float32(levels), np.float32)
    inverse = np.where(scale == 0, 0, 1 / np.where(scale == 0, 1, scale))
    return np.asarray(np.rint(blocks * inverse) * float16(scale), np.float32).reshape(x.shape)


Rounding = Callable[[Float32Array], Float32Array]

# The class in the verdict, how it reads in a sentence, and the function, which takes (out, in) weights.
ROUNDINGS: dict[str, tuple[str, str, Rounding]] = {
    "float16": ("float16", "float16 weights", float16),
    "bfloat16": ("bfloat16", "bfloat16 weights", bfloat16),
    "int8 per tensor": ("int8", "int8 weights, one scale per tensor", int8_per_tensor),
    "uint8 per tensor": ("int8", "uint8 weights, one scale and zero point per tensor", uint8_per_tensor),
    "int7 per tensor": ("int8", "int8 weights in a reduced range of 7 bits", int7_per_tensor),
    "int8 per row": ("int8", "int8 weights, one scale per output", int8_per_row),
    "int8 in blocks": ("int8", "int8 weights, one scale per 32 of them (GGUF's Q8_0)", int8_in_blocks),
}


def rounded(parameters: Mapping[str, FloatArray], name: str) -> dict[str, FloatArray]:
    """Return the parameters with their weights rounded; linear weights are (in, out)."""
    precision, _, rounding = ROUNDINGS[name]
    result: dict[str, FloatArray] = {}
    for key, value in parameters.items():
        array = np.asarray(value, np.float32)
        if precision != "int8":
            result[key] = rounding(array)
        elif array.ndim < 2 or "position_emb" in key or "token_type" in key:
            result[key] = array  # small tensors stay as they are in every format
        elif key.startswith("embeddings."):
            result[key] = rounding(array)
        else:
            result[key] = np.ascontiguousarray(rounding(np.ascontiguousarray(array.T)).T)
    return result
