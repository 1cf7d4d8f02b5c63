"""Checks of callers' arguments, with errors that say what to do, and the types of the arguments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

import numpy as np

# Arguments of sentence-transformers that have no meaning for numpy on the CPU. Each has the values that are
# accepted, because they change nothing, and the reason to refuse all others.
_TORCH_ONLY: dict[str, tuple[tuple[object, ...], str]] = {
    "convert_to_numpy": ((True,), "minilm returns numpy arrays, not tensors"),
    "convert_to_tensor": ((False,), "minilm returns numpy arrays; torch.from_numpy makes tensors of them"),
    "device": ((None, "cpu"), "minilm runs on the CPU; MiniLM(threads=...) says on how many cores"),
    "pool": ((None,), "minilm uses all cores by itself; MiniLM(threads=...) bounds them"),
    "chunk_size": ((None,), "minilm cuts the work itself; batch_size bounds the memory"),
    "backend": ((None,), "there is one backend, numpy"),
    "modules": ((None,), "a model is made of a checkpoint, not of torch's modules"),
    "model_kwargs": ((None,), "they are options of torch and transformers, which minilm does not use"),
    "processor_kwargs": ((None,), "they are options of transformers, which minilm does not use"),
    "tokenizer_kwargs": ((None,), "they are options of transformers, which minilm does not use"),
    "config_kwargs": ((None,), "the checkpoint's config.json is taken as it is"),
    "model_card_data": ((None,), "minilm does not train, and so writes no model cards"),
    "trust_remote_code": ((False,), "minilm runs no code that comes with a checkpoint"),
    "use_auth_token": ((None,), "it is called token now"),
    "num_labels": ((None,), "the checkpoint's classifier says how many labels there are"),
    "keep_in_fp32_modules": ((None,), "everything is float32"),
}


class TorchOnly(TypedDict, total=False):
    """Arguments of sentence-transformers' constructors that can only have their defaults here."""

    device: str | None
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


class Source(TypedDict, total=False):
    """Where a checkpoint comes from: arguments of :func:`minilm.hub.find_checkpoint`."""

    revision: str | None
    cache_folder: str | Path | None
    local_files_only: bool
    token: str | bool | None


class TorchOnlyCall(TypedDict, total=False):
    """Arguments of sentence-transformers' methods that can only have their defaults here."""

    convert_to_numpy: bool
    convert_to_tensor: bool
    device: str | None
    pool: None
    chunk_size: None


def refuse_torch_only(**arguments: object) -> None:
    """Raise a ValueError for an argument that only makes sense with torch, rather than ignore it."""
    for name, value in arguments.items():
        if name not in _TORCH_ONLY:
            raise TypeError(f"unexpected keyword argument {name!r}")
        accepted, reason = _TORCH_ONLY[name]
        # the type counts too: 1 equals True, but is not accepted for it
        if not any(type(value) is type(one) and value == one for one in accepted):
            raise ValueError(f"{name}={value!r} is not supported: {reason}")


def refuse_tensors(*values: object) -> None:
    """Refuse values of the arguments in :class:`TorchOnlyCall`, all in its order."""
    refuse_torch_only(**dict(zip(TorchOnlyCall.__annotations__, values, strict=True)))


def positive_int(name: str, value: object) -> int:
    """Return ``value`` as an int, or raise a ValueError if it is not a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive whole number, not {value!r}")
    return int(value)


def unknown_name(argument: str, value: object, known: Iterable[str]) -> ValueError:
    """Return the error for a name that stands for nothing."""
    return ValueError(f"{argument} must be one of {', '.join(known)}, not {value!r:.80}")
