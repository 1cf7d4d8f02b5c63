"""_arguments.py: what is accepted, what is refused, and that the refusal names the argument."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from minilm._arguments import (
    TorchOnly,
    TorchOnlyCall,
    positive_int,
    refuse_torch_only,
    unknown_name,
)


@pytest.mark.parametrize("value", [1, 7, np.int64(7), np.uint8(1)])
def test_a_positive_whole_number_comes_back_as_an_int(value: object) -> None:
    result = positive_int("batch_size", value)
    assert type(result) is int
    assert result == value


@pytest.mark.parametrize("value", [0, -1, True, 2.0, np.float32(2), "2", None, [2], float("nan")])
def test_anything_else_is_refused_with_the_argument_and_the_value(value: object) -> None:
    message = f"batch_size must be a positive whole number, not {value!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        positive_int("batch_size", value)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"device": None, "backend": None},
        {"device": "cpu", "convert_to_numpy": True, "convert_to_tensor": False},
        {"trust_remote_code": False},
    ],
)
def test_values_that_mean_what_minilm_does_are_accepted(arguments: dict[str, Any]) -> None:
    refuse_torch_only(**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "cuda"),
        ("convert_to_numpy", 1),  # equal to True, and no bool
        ("convert_to_numpy", np.True_),
        ("convert_to_tensor", 0),
        ("trust_remote_code", True),
        ("backend", "onnx"),
        ("pool", [3]),
        ("model_kwargs", {}),
    ],
)
def test_other_values_are_refused_with_the_reason(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}={re.escape(repr(value))} is not supported: \w+"):
        refuse_torch_only(**{name: value})


def test_an_argument_that_nobody_knows_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^unexpected keyword argument 'lenght'$"):
        refuse_torch_only(device="cpu", lenght=3)


def test_every_argument_with_a_type_has_a_reason_for_being_refused() -> None:
    for name in TorchOnly.__annotations__ | TorchOnlyCall.__annotations__:
        with pytest.raises(ValueError, match=f"^{name}=<object .* is not supported"):
            refuse_torch_only(**{name: object()})


def test_an_unknown_name_is_answered_with_the_known_ones_and_cut_if_it_is_long() -> None:
    error = unknown_name("pooling", "sum", {"cls": 1, "max": 2})
    assert isinstance(error, ValueError)
    assert str(error) == "pooling must be one of cls, max, not 'sum'"
    assert (
        len(str(unknown_name("pooling", "x" * 1000, ["cls"]))) == len("pooling must be one of cls, not ") + 80
    )
