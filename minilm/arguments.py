"""Checks of what callers give, with errors that say what to do."""

from __future__ import annotations

import numpy as np

# What sentence-transformers takes and a numpy encoder on the CPU has no use for: the values that mean what is
# done here anyway, and why there is no other.
_TORCH_ONLY: dict[str, tuple[tuple[object, ...], str]] = {
    "convert_to_numpy": ((True,), "minilm returns numpy arrays and knows no tensors"),
    "convert_to_tensor": ((False,), "minilm returns numpy arrays; torch.from_numpy makes tensors of them"),
    "device": ((None, "cpu"), "minilm runs on the CPU; MiniLM(threads=...) says on how many cores"),
    "pool": ((None,), "minilm uses all cores by itself; MiniLM(threads=...) bounds them"),
    "chunk_size": ((None,), "minilm cuts the work itself; batch_size bounds the memory"),
}


def refuse_torch_only(**arguments: object) -> None:
    """Raise for an argument that only makes sense with torch, rather than ignore it.

    Raises
    ------
    ValueError
        With the argument, its value and the reason.
    """
    for name, value in arguments.items():
        meant, reason = _TORCH_ONLY[name]
        # by type and value: 1 is no True here
        if not any(type(value) is type(one) and value == one for one in meant):
            raise ValueError(f"{name}={value!r} is not supported: {reason}")


def positive_int(name: str, value: object) -> int:
    """``value`` as an int.

    Raises
    ------
    ValueError
        If it is not a positive whole number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive whole number, not {value!r}")
    return int(value)
