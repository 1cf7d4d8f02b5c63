"""Configurations that contradict the tensors or themselves, are out of range, or are not JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, CrossEncoder, MiniLM
from minilm.errors import CheckpointWarning
from tests.checkpoints import TINY
from tests.promises.hostile_checkpoints.refusing import NOT_JSON, Refusal, change_json

SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
JSON_FILES = ("config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json")


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_a_file_that_is_not_the_json_it_should_be_is_refused(
    directory: Path, refusal: Refusal, name: str, content: bytes
) -> None:
    (directory / name).write_bytes(content)
    refusal(directory, name)


@pytest.mark.parametrize("name", JSON_FILES)
def test_a_json_of_the_other_kind_is_refused(directory: Path, refusal: Refusal, name: str) -> None:
    (directory / name).write_text("{}" if name == "modules.json" else "[]")
    assert "holds a JSON" in refusal(directory, name)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    "value", [0, -1, -(2**63), 1.0, 1e308, "4", "", None, True, [], [4], {}, 2**31, 10**9 + 7, 10**400]
)
def test_a_size_that_is_none_or_not_the_tensors_is_refused(
    directory: Path, refusal: Refusal, name: str, value: object
) -> None:
    change_json(directory / "config.json", lambda fields: fields.update({name: value}))
    with pytest.raises(CheckpointError) as error:
        CrossEncoder(directory)
    assert str(error.value).startswith(str(directory))
    # a possible size is compared with the tensors, or with the other sizes
    fits = value == 10**9 + 7 and name not in ("num_hidden_layers", "num_attention_heads")
    file = "model.safetensors" if fits else "config.json"
    if fits and name == "hidden_size":
        file = "1_Pooling/config.json"  # it repeats the width
    message = refusal(directory, file)
    assert name in message or str(value) in message


@pytest.mark.parametrize("name", SIZES)
def test_a_missing_size_is_berts_own_which_does_not_fit(directory: Path, refusal: Refusal, name: str) -> None:
    change_json(directory / "config.json", lambda fields: fields.pop(name))
    if name == "type_vocab_size":  # 2 as well
        assert MiniLM(directory).encode("a").shape == (16,)
        return
    file = {"num_attention_heads": "config.json", "hidden_size": "1_Pooling/config.json"}
    refusal(directory, file.get(name, "model.safetensors"))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("step", [-1, 1])
def test_a_size_that_is_off_by_one_is_refused(
    directory: Path, refusal: Refusal, name: str, step: int
) -> None:
    change_json(directory / "config.json", lambda fields: fields.update({name: getattr(TINY, name) + step}))
    if (name, step) == ("num_hidden_layers", -1):  # as in transformers, the last layer is left aside
        with pytest.warns(CheckpointWarning, match=r"encoder\.layer\.1\..* are not part of the model"):
            MiniLM(directory)
        return
    # neither 3 nor 5 heads divide the width, and the pooling file repeats the width
    file = {"num_attention_heads": "config.json", "hidden_size": "1_Pooling/config.json"}
    refusal(directory, file.get(name, "model.safetensors"))


def test_heads_that_do_not_divide_the_width_are_refused(directory: Path, refusal: Refusal) -> None:
    change_json(directory / "config.json", lambda fields: fields.update(num_attention_heads=5))
    assert "hidden_size 16 cannot be divided among num_attention_heads 5" in refusal(directory, "config.json")


def test_more_positions_than_the_table_has_are_refused(directory: Path, refusal: Refusal) -> None:
    change_json(directory / "config.json", lambda fields: fields.update(max_position_embeddings=512))
    message = refusal(directory, "model.safetensors")
    assert "position_embeddings.weight has shape (24, 16), config.json says (512, 16)" in message


def test_positions_that_leave_no_room_for_a_token_are_refused(directory: Path, refusal: Refusal) -> None:
    tensors = load_file(directory / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    save_file({**tensors, name: tensors[name][:2]}, directory / "model.safetensors")
    change_json(directory / "config.json", lambda fields: fields.update(max_position_embeddings=2))
    assert "max_position_embeddings 2 leaves no room" in refusal(directory, "config.json")


@pytest.mark.parametrize(
    "value", [0, -1e-12, 1e-40, 1e39, 10**400, float("nan"), float("inf"), "1e-12", True]
)
def test_an_epsilon_that_float32_cannot_hold_is_refused(
    directory: Path, refusal: Refusal, value: object
) -> None:
    change_json(directory / "config.json", lambda fields: fields.update(layer_norm_eps=value))
    assert "layer_norm_eps must be a positive number" in refusal(directory, "config.json")


@pytest.mark.parametrize("name", ["hidden_act", "model_type", "position_embedding_type", "is_decoder"])
@pytest.mark.parametrize(
    "value", ["os.system", 7, None, [], {}, ["gelu"], "x" * 1_000_000, [[[[[[1]]]]]] * 99]
)
def test_a_kind_of_model_that_does_not_exist_is_refused(
    directory: Path, refusal: Refusal, name: str, value: object
) -> None:
    change_json(directory / "config.json", lambda fields: fields.update({name: value}))
    if (name, value) == ("position_embedding_type", None):  # the default
        MiniLM(directory)
        return
    assert f"{name} " in refusal(directory, "config.json")


@pytest.mark.parametrize("value", [0, 2, -256, 256.0, "256", [], {}, True])
def test_a_length_that_is_none_is_refused(directory: Path, refusal: Refusal, value: object) -> None:
    change_json(directory / "sentence_bert_config.json", lambda fields: fields.update(max_seq_length=value))
    assert "must be a whole number of at least 3" in refusal(directory, "sentence_bert_config.json")


@pytest.mark.parametrize("value", [1, 0, "true", [], {}])
def test_a_switch_that_is_neither_on_nor_off_is_refused(
    directory: Path, refusal: Refusal, value: object
) -> None:
    change_json(directory / "sentence_bert_config.json", lambda fields: fields.update(do_lower_case=value))
    assert "do_lower_case must be true or false" in refusal(directory, "sentence_bert_config.json")


IMPOSSIBLE_POOLINGS: list[object] = [[], {}, None, 7, "MEAN", [[]], ["mean", "median"], ["x" * 10**4] * 10**3]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"pooling_mode": modes}, "is not supported, only cls") for modes in IMPOSSIBLE_POOLINGS),
        ({"pooling_mode": ["mean"] * 2}, "a pooling mode is repeated in ['mean', 'mean']"),
        ({"pooling_mode": ["cls"] * 100_000}, "a pooling mode is repeated"),
        ({"word_embedding_dimension": 384}, "is 384, but config.json has hidden_size 16"),
        ({"embedding_dimension": 10**400}, "but config.json has hidden_size 16"),
        ({"include_prompt": False}, "include_prompt False is not supported"),
    ],
)
def test_a_pooling_that_cannot_be_is_refused(
    directory: Path, refusal: Refusal, changes: dict[str, object], reason: str
) -> None:
    change_json(directory / "1_Pooling" / "config.json", lambda fields: fields.update(changes))
    assert reason in refusal(directory, "1_Pooling/config.json")


def module(kind: Any = "", path: Any = "") -> dict[str, Any]:
    kind = f"sentence_transformers.models.{kind}" if isinstance(kind, str) else kind
    return {"name": path, "type": kind, "path": path}


GOOD = [module("Transformer"), module("Pooling", "1_Pooling")]


@pytest.mark.parametrize(
    "modules",
    [
        [],
        [7, "x"],
        [{}, {}],
        [None, *GOOD],
        GOOD[::-1],
        [GOOD[0]],
        [*GOOD, module("CustomCode", "2_Custom")],
        [module(["Transformer"]), GOOD[1]],
        [module("Transformer", "/etc"), GOOD[1]],
        [module("Transformer", ["x"]), GOOD[1]],
        [GOOD[0], module("Pooling", "../..")],
        [GOOD[0], module("Pooling", "/etc")],
        [GOOD[0], module("Pooling", ".")],
        [GOOD[0], module("Pooling", "")],
        [GOOD[0], module("Pooling", "a/../../b")],
        [GOOD[0], module("Pooling", "a\\..\\b")],
        [GOOD[0], module("Pooling", "C:")],
        [GOOD[0], module("Pooling", "1_Pooling\n")],
        [GOOD[0], module("Pooling", "\0")],
        [GOOD[0], module("Pooling", "x" * 100_000)],
        [GOOD[0], module("Pooling", {})],
        [*GOOD, module("Dense", "../../2_Dense")],
        [*GOOD, module("Dense", "~")],
        [*GOOD, module("Dense", "1_Pooling")],
        [*GOOD, *[module("Dense", "2_Dense")] * 10_000],
    ],
    ids=lambda modules: str(modules)[:60],
)
def test_modules_that_lie_or_lead_out_of_the_directory_are_refused(
    directory: Path, refusal: Refusal, modules: list[Any]
) -> None:
    outside = directory.parent.parent
    for place in (outside, directory.parent):  # so that a path out of the directory would find a file
        (place / "config.json").write_text('{"pooling_mode": "cls"}')
    (directory / "modules.json").write_text(json.dumps(modules))
    refusal(directory, "modules.json")


def test_a_pooling_whose_folder_is_missing_is_refused(directory: Path, refusal: Refusal) -> None:
    (directory / "1_Pooling" / "config.json").unlink()
    assert "cannot be read: No such file" in refusal(directory, "1_Pooling/config.json")


def with_dense(
    directory: Path,
    tensors: dict[str, np.ndarray] | None = None,
    fields: dict[str, Any] | None = None,
) -> Path:
    """The checkpoint with a Dense module of 16 to 2, valid except for ``tensors`` and ``fields``."""
    folder = directory / "2_Dense"
    folder.mkdir()
    right = {"linear.weight": np.ones((2, 16), np.float32), "linear.bias": np.ones(2, np.float32)}
    save_file({**right, **(tensors or {})}, folder / "model.safetensors")
    given = {"in_features": 16, "out_features": 2, "activation_function": "torch.nn.modules.activation.Tanh"}
    (folder / "config.json").write_text(json.dumps(given | (fields or {})))
    (directory / "modules.json").write_text(json.dumps([*GOOD, module("Dense", "2_Dense")]))
    return directory


@pytest.mark.parametrize("name", ["in_features", "out_features"])
@pytest.mark.parametrize("value", [0, -2, 2.0, "2", None, True, [], {}, 2**31, 10**400])
def test_a_dense_layer_of_impossible_size_is_refused(
    directory: Path, refusal: Refusal, name: str, value: object
) -> None:
    message = refusal(with_dense(directory, fields={name: value}), "2_Dense/config.json")
    is_huge = type(value) is int and value >= 2**31
    expected = "at most 2147483647" if is_huge else "a positive whole number"
    assert f"{name} must be {expected}" in message


@pytest.mark.parametrize(
    ("fields", "file", "reason"),
    [
        (
            {"in_features": 2**31 - 1},
            "model.safetensors",
            "has shape (2, 16), config.json says (2, 2147483647)",
        ),
        ({"out_features": 3}, "model.safetensors", "has shape (2, 16), config.json says (3, 16)"),
        ({"bias": False}, "model.safetensors", "unexpected: linear.bias"),
        ({"bias": "no"}, "config.json", "bias must be true or false"),
        ({"activation_function": "os.system"}, "config.json", "'os.system' is not supported"),
        ({"activation_function": ["Tanh"]}, "config.json", "['Tanh'] is not supported"),
        ({"activation_function": None}, "config.json", "None is not supported"),
        ({"use_residual": [1]}, "config.json", "use_residual [1] is not supported"),
    ],
)
def test_a_dense_layer_that_lies_is_refused(
    directory: Path, refusal: Refusal, fields: dict[str, Any], file: str, reason: str
) -> None:
    assert reason in refusal(with_dense(directory, fields=fields), f"2_Dense/{file}")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_dense_layer_of_numbers_that_are_no_weights_is_refused(
    directory: Path, refusal: Refusal, value: float
) -> None:
    tensors = {"linear.bias": np.array([0, value], np.float32)}
    message = refusal(with_dense(directory, tensors), "2_Dense/model.safetensors")
    assert "linear.bias holds " in message


def test_a_dense_layer_that_overflows_is_refused_whichever_way_a_text_comes(directory: Path) -> None:
    tensors = {"linear.weight": np.full((2, 16), 9e15, np.float32)}
    with_dense(directory, tensors, {"activation_function": "torch.nn.modules.linear.Identity"})
    other = json.loads((directory / "modules.json").read_text())
    (directory / "modules.json").write_text(json.dumps([*other, *deeper(directory)]))
    model = MiniLM(directory)
    for call in (
        lambda: model.encode("a"),
        lambda: model.encode(["a"], output_value=None),
    ):
        with pytest.raises(CheckpointError, match=r"4_Dense/model\.safetensors is damaged: its weights are"):
            call()


def deeper(directory: Path) -> list[dict[str, Any]]:
    """Two more Dense modules of 2 to 2; their product exceeds float32."""
    folders = ["3_Dense", "4_Dense"]
    for folder in folders:
        (directory / folder).mkdir()
        fields = {
            "in_features": 2,
            "out_features": 2,
            "bias": False,
            "activation_function": "torch.nn.Identity",
        }
        (directory / folder / "config.json").write_text(json.dumps(fields))
        save_file(
            {"linear.weight": np.full((2, 2), 9e15, np.float32)}, directory / folder / "model.safetensors"
        )
    return [module("Dense", folder) for folder in folders]


def test_a_dense_layer_that_cannot_be_read_is_refused(directory: Path, refusal: Refusal) -> None:
    with_dense(directory)
    weights = directory / "2_Dense" / "model.safetensors"
    content = weights.read_bytes()
    for spoilt in (b"", content[:-1], content + b"\0", b"\xff" * 8 + content[8:]):
        weights.write_bytes(spoilt)
        assert "cannot be read as safetensors" in refusal(directory, "2_Dense/model.safetensors")
    weights.unlink()
    assert "opens safetensors only, no pickles" in refusal(directory, "2_Dense/model.safetensors")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompts": []}, "prompts must be an object, not []"),
        ({"prompts": "x"}, "prompts must be an object, not 'x'"),
        ({"prompts": {"a": 1}}, "prompts must map names to texts"),
        ({"prompts": {"a": {"b": "c"}}}, "prompts must map names to texts"),
        ({"prompts": {"a": "\ud800"}}, "the prompt 'a' holds a lone surrogate"),
        ({"prompts": {"\udfff": "a"}}, "holds a lone surrogate"),
        ({"default_prompt_name": []}, "default_prompt_name [] is not supported, only"),
        (
            {"default_prompt_name": "x"},
            "default_prompt_name 'x' is not supported, only 'query', 'document' are",
        ),
        ({"similarity_fn_name": {}}, "similarity_fn_name {} is not supported, only"),
        ({"similarity_fn_name": True}, "similarity_fn_name True is not supported, only"),
        ({"similarity_fn_name": "x" * 1_000_000}, "is not supported, only 'cosine', "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_of_use_that_make_no_sense_are_refused(
    directory: Path, refusal: Refusal, fields: dict[str, object], reason: str
) -> None:
    (directory / "config_sentence_transformers.json").write_text(json.dumps(fields))
    assert reason in refusal(directory, "config_sentence_transformers.json")


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("config.json", {"id2label": {}}, "id2label names no labels"),
        ("config.json", {"id2label": {"0": "a", "1": "b"}}, "classifier.weight has shape (1, 16)"),
        (
            "config.json",
            {"id2label": None, "num_labels": 0},
            "num_labels must be a positive whole number, not 0",
        ),
        ("config.json", {"id2label": None, "num_labels": 10**400}, "num_labels must be at most 2147483647"),
        ("config.json", {"id2label": None, "num_labels": 2**31 - 1}, "classifier.weight has shape (1, 16)"),
        (
            "config.json",
            {"id2label": None, "num_labels": "1"},
            "num_labels must be a positive whole number, not '1'",
        ),
        ("config.json", {"sbert_ce_default_activation_function": "os.system"}, "is not supported"),
        ("config.json", {"sbert_ce_default_activation_function": [[[1]]]}, "is not supported"),
        ("config.json", {"sentence_transformers": {"activation_fn": 7}}, "activation_fn 7 is not supported"),
        ("tokenizer_config.json", {"model_input_names": 7}, "model_input_names must be a list, not 7"),
        ("tokenizer_config.json", {"model_max_length": "512"}, "model_max_length must be a whole number"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_cross_encoder_that_lies_is_refused(
    classifier: Path, file: str, change: dict[str, object], reason: str
) -> None:
    path = classifier / file
    (classifier / "sentence_bert_config.json").unlink()
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | change))
    assert reason in cross_encoder_refusal(classifier)


def test_token_types_beyond_the_table_are_refused(classifier: Path) -> None:
    def change(fields: Any) -> None:
        fields["post_processor"]["pair"][-1]["SpecialToken"]["type_id"] = 7

    change_json(classifier / "tokenizer.json", change)
    as_it_is = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    types = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
    (classifier / "tokenizer_config.json").write_text(json.dumps({**as_it_is, **types}))
    reason = "has token types up to 7, but config.json has type_vocab_size 2"
    assert reason in cross_encoder_refusal(classifier)


@pytest.mark.parametrize("name", ["bert.pooler.dense.weight", "classifier.bias"])
def test_a_head_with_a_number_that_is_no_weight_is_refused(classifier: Path, name: str) -> None:
    tensors = load_file(classifier / "model.safetensors")
    tensors[name].flat[0] = np.nan
    save_file(tensors, classifier / "model.safetensors")
    assert f"{name.removeprefix('bert.')} holds nan" in cross_encoder_refusal(classifier)


def cross_encoder_refusal(directory: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        CrossEncoder(directory)
    message = str(error.value)
    assert message.startswith(str(directory))
    assert message.isprintable()
    assert len(message) < 1500
    return message


def test_a_harmless_checkpoint_is_what_all_these_were_made_of(directory: Path) -> None:
    assert MiniLM(directory).encode("a").shape == (16,)
    assert MiniLM(with_dense(directory)).encode("a").shape == (2,)
