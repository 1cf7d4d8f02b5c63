"""_arguments.py: what is accepted, what is refused, and that the refusal names the argument."""

from __future__ import annotations

import re
from abc import ABC
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm._arguments import (
    KnownAttributes,
    NamesItsLikeness,
    Pool,
    TorchMethods,
    TorchOnly,
    by_place,
    check_call,
    constructor_options,
    encode_others,
    is_cpu,
    positive_int,
    refuse_torch_only,
    renamed,
    unknown_name,
    whole_number,
    without_effect,
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
        {"device": "cpu", "backend": "torch", "modules": None},
        {"device": "cpu:0", "model_kwargs": {}, "processor_kwargs": None, "config_kwargs": {}},
        {"trust_remote_code": False},
        {"trust_remote_code": True},  # no code is run
        {"model_kwargs": {"torch_dtype": "float32", "attn_implementation": "eager", "device_map": "cpu"}},
        {"model_kwargs": {"device_map": {"": "cpu"}, "dtype": "auto", "low_cpu_mem_usage": True}},
        {"processor_kwargs": {"use_fast": True, "model_max_length": 8}},
        {"config_kwargs": {"classifier_dropout": 0.1, "num_labels": 1}},
        {"num_labels": 2, "keep_in_fp32_modules": ["0.model.classifier"]},
    ],
)
def test_values_that_mean_what_minilm_does_are_accepted(arguments: dict[str, Any]) -> None:
    refuse_torch_only(**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "cuda"),
        ("device", "cpux"),
        ("device", "mps"),
        ("device", 0),
        ("trust_remote_code", 1),
        ("processor_kwargs", {"model_max_length": None}),
        ("backend", "onnx"),
        ("modules", []),
        ("model_kwargs", {"torch_dtype": "float16"}),
        ("model_kwargs", {"device_map": {"": "cuda"}}),
        ("model_kwargs", {"provider": "CUDAExecutionProvider"}),
        ("model_kwargs", [1]),
        ("processor_kwargs", {"truncation_side": "left"}),
        ("config_kwargs", {"hidden_act": "relu"}),
        ("model_card_data", {}),
        ("num_labels", 0),
        ("keep_in_fp32_modules", "all"),
    ],
)
def test_other_values_are_refused_with_the_reason(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}={re.escape(repr(value))} is not supported: \w+"):
        refuse_torch_only(**{name: value})


def test_an_argument_that_nobody_knows_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"^unexpected keyword argument 'lenght'$"):
        refuse_torch_only(device="cpu", lenght=3)


def test_every_argument_with_a_type_has_a_reason_for_being_refused() -> None:
    taken_elsewhere = {"tokenizer_kwargs", "use_auth_token"}  # by another name
    for name in TorchOnly.__annotations__.keys() - taken_elsewhere:
        with pytest.raises(ValueError, match=f"^{name}=<object .* is not supported"):
            refuse_torch_only(**{name: object()})


def test_an_unknown_name_is_answered_with_the_known_ones_and_cut_if_it_is_long() -> None:
    error = unknown_name("pooling", "sum", {"cls": 1, "max": 2})
    assert isinstance(error, ValueError)
    assert str(error) == "pooling must be one of cls, max, not 'sum'"
    assert (
        len(str(unknown_name("pooling", "x" * 1000, ["cls"]))) == len("pooling must be one of cls, not ") + 80
    )


def test_a_call_may_name_the_cpu_once_or_several_times_and_a_pool_of_ours() -> None:
    check_call(None, None, None)
    check_call("cpu", Pool(), 10)
    check_call(["cpu", "cpu:0"], None, None)
    for device, pool, chunk_size, message in (
        (["cpu", "cuda:1"], None, None, "device='cuda:1' is not supported"),
        (None, {"input": 1}, None, "make it by start_multi_process_pool"),
        (None, None, 0, "chunk_size must be a positive whole number, not 0"),
    ):
        with pytest.raises(ValueError, match=message):
            check_call(device, pool, chunk_size)


def test_only_the_cpu_is_the_cpu() -> None:
    assert [is_cpu(name) for name in (None, "cpu", "cpu:0", "CPU", "cuda", "cpu:x", 0)] == [True] * 3 + [
        False
    ] * 4


def test_former_names_get_the_new_ones_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert renamed({"sentences": ["a"], "batch_size": 3}, "sentences") == {"inputs": ["a"], "batch_size": 3}
    # of two names the new one counts, as in sentence-transformers
    assert renamed({"activation_fct": 1, "activation_fn": 2}, "activation_fct") == {"activation_fn": 2}
    assert "`sentences` argument was renamed and is now deprecated" in caplog.text
    arguments = {"num_workers": 2, "top_k": 3}
    without_effect(arguments, "num_workers")
    assert arguments == {"top_k": 3}
    assert "`num_workers` argument is deprecated and has no effect" in caplog.text


def test_a_constructor_takes_the_token_and_the_length_by_other_names() -> None:
    assert constructor_options({}, "t", 8) == ("t", 8)
    assert constructor_options({"tokenizer_kwargs": {"model_max_length": 9}}, None, None) == (None, 9)
    assert constructor_options({"processor_kwargs": {"model_max_length": 9}}, None, 8) == (None, 8)
    with pytest.warns(FutureWarning, match="it is called token now"):
        assert constructor_options({"use_auth_token": "old"}, None, None) == ("old", None)
    with pytest.raises(ValueError, match="Both `token` and `use_auth_token`"):
        constructor_options({"use_auth_token": "old"}, "new", None)


def test_the_other_arguments_of_encode() -> None:
    assert encode_others(None, {"sentences": "a", "task": "query"}) == "a"
    assert encode_others("b", {"processing_kwargs": None}) == "b"
    with pytest.raises(TypeError, match="inputs is given twice, once by its former name"):
        encode_others("b", {"sentences": "a"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'batchsize'; did you mean 'batch_size'"):
        encode_others("a", {"batchsize": 3})
    with pytest.raises(TypeError, match="task must be a str, not int"):
        encode_others("a", {"task": 3})
    with pytest.raises(ValueError, match="processing_kwargs is not supported: set max_seq_length"):
        encode_others("a", {"processing_kwargs": {"text": {"max_length": 3}}})


def test_values_get_the_names_of_their_places() -> None:
    assert by_place(("a", "b"), (1,), ["b"]) == {"a": 1}
    with pytest.raises(TypeError, match="3 arguments by position, of at most 2: a, b"):
        by_place(("a", "b"), (1, 2, 3), [])
    with pytest.raises(TypeError, match="several values for the argument 'a'"):
        by_place(("a", "b"), (1,), ["a"])


def test_a_whole_number_may_be_zero() -> None:
    assert [whole_number("top_k", value) for value in (0, np.int64(3))] == [0, 3]
    for value in (-1, True, 1.0, "1"):
        with pytest.raises(ValueError, match="top_k must be 0 or a positive whole number"):
            whole_number("top_k", value)


class Known(KnownAttributes):
    """A class as one of minilm's own is."""

    size: int
    name = "x"

    @property
    def fixed(self) -> int:
        return 3


Known.__module__ = "minilm.known"


def test_an_attribute_that_a_class_does_not_know_is_refused_with_the_near_name() -> None:
    known = Known()
    known.size, known.name = 3, "y"
    with pytest.raises(AttributeError, match="Known has no attribute 'sise'; did you mean 'size'"):
        known.sise = 4  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="Known has no attribute 'fit': minilm does not train"):
        _ = known.fit  # type: ignore[attr-defined]
    assert not hasattr(known, "other")
    known._of_a_library = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="fixed of a Known cannot be set: load another checkpoint"):
        known.fixed = 4  # type: ignore[misc]


def test_a_class_that_a_user_derives_may_have_attributes_of_its_own() -> None:
    class Mine(Known):
        pass

    mine = Mine()
    mine.cache = {}  # type: ignore[attr-defined]
    assert mine.cache == {}  # type: ignore[attr-defined]


def test_the_methods_of_torch_ask_for_what_is_done_anyway(tmp_path: Path) -> None:
    model = TorchMethods()
    assert model.to("cpu") is model.eval() is model.cpu() is model.float() is model
    assert model.to("cpu", "float32", non_blocking=True) is model.to(np.dtype("float32")) is model
    with pytest.raises(ValueError, match="device='cuda' is not supported: minilm runs on the CPU"):
        model.to("cuda")
    assert (str(model.device), model.device.type) == ("cpu", "cpu")
    assert str(model.dtype).endswith("float32")
    pool = model.start_multi_process_pool(["cpu", "cpu"])
    assert [*pool] == ["input", "output", "processes"]
    model.stop_multi_process_pool(pool)
    with pytest.raises(ValueError, match="device='cuda:0' is not supported"):
        model.start_multi_process_pool(["cuda:0"])
    assert model.evaluate(lambda *given: given, tmp_path / "new") == (model, tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    assert model.get_model_kwargs() == []
    assert [model.supports(one) for one in ("text", "image", ("image", "text"))] == [True, False, False]


def test_a_class_names_its_likeness_beside_its_own_name() -> None:
    named = NamesItsLikeness("Mine", (), {"__module__": "here"})
    assert str(named) == "<class 'here.Mine', after sentence_transformers.SentenceTransformer>"
    assert isinstance(NamesItsLikeness("Both", (named, ABC), {}), type)  # beside an abstract class
