"""Checks of what callers give, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from minilm.pooling import Pooling
from minilm.quantization import Precision

# What sentence-transformers takes and a numpy encoder on the CPU has no use for: the values that mean what is
# done here anyway, and why there is no other.
_TORCH_ONLY: dict[str, tuple[tuple[object, ...], str]] = {
    "convert_to_numpy": ((True,), "minilm returns numpy arrays and knows no tensors"),
    "convert_to_tensor": ((False,), "minilm returns numpy arrays; torch.from_numpy makes tensors of them"),
    "device": ((None, "cpu"), "minilm runs on the CPU; MiniLM(threads=...) says on how many cores"),
    "pool": ((None,), "minilm uses all cores by itself; MiniLM(threads=...) bounds them"),
    "chunk_size": ((None,), "minilm cuts the work itself; batch_size bounds the memory"),
    "backend": ((None,), "there is one backend, numpy"),
    "modules": ((None,), "a model is made of a checkpoint, not of torch's modules"),
    "model_kwargs": ((None,), "they are options of torch and transformers, which minilm does without"),
    "processor_kwargs": ((None,), "they are options of transformers, which minilm does without"),
    "tokenizer_kwargs": ((None,), "they are options of transformers, which minilm does without"),
    "config_kwargs": ((None,), "the checkpoint's config.json is taken as it is"),
    "model_card_data": ((None,), "minilm does not train, and so writes no model cards"),
    "trust_remote_code": ((False,), "minilm runs no code that comes with a checkpoint"),
    "use_auth_token": ((None,), "it is called token now"),
    "num_labels": ((None,), "the checkpoint's classifier says how many labels there are"),
    "keep_in_fp32_modules": ((None,), "everything is float32"),
}


class TorchOnly(TypedDict, total=False):
    """Arguments of sentence-transformers' constructors that can only have their defaults here."""

    backend: None
    modules: None
    model_kwargs: None
    processor_kwargs: None
    tokenizer_kwargs: None
    config_kwargs: None
    model_card_data: None
    trust_remote_code: bool
    use_auth_token: None
    num_labels: None
    keep_in_fp32_modules: None


class EncodeOptions(TypedDict, total=False):
    """Arguments of encode that do not decide what kind of thing it returns, for its overloads."""

    precision: Precision
    convert_to_numpy: bool
    convert_to_tensor: bool
    device: str | None
    normalize_embeddings: bool
    truncate_dim: int | None
    pool: None
    chunk_size: None
    pooling: Pooling | Sequence[Pooling] | None


def refuse_torch_only(**arguments: object) -> None:
    """Raise for an argument that only makes sense with torch, rather than ignore it.

    Raises
    ------
    ValueError
        With the argument, its value and the reason.
    TypeError
        If neither library knows the argument.
    """
    for name, value in arguments.items():
        if name not in _TORCH_ONLY:
            raise TypeError(f"unexpected argument {name!r}")
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
