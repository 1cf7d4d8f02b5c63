"""checkpoint/config.py: which settings are read, and which are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm import CheckpointError
from minilm.checkpoint.config import Modules, read_config, read_modules
from tests.checkpoints import TINY, MakeCheckpoint


def edit(path: Path, **changes: Any) -> None:
    fields = json.loads(path.read_text())
    fields.update(changes)
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))


def test_a_checkpoint_reads_back_as_it_was_written(make_checkpoint: MakeCheckpoint) -> None:
    assert read_config(make_checkpoint()) == TINY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta' is not supported, only 'bert'"),
        ({"hidden_act": "silu"}, "hidden_act 'silu' is not supported, only 'gelu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key' is not"),
        ({"is_decoder": True}, "is_decoder True is not supported"),
        ({"num_attention_heads": 3}, "hidden_size 16 cannot be divided among num_attention_heads 3"),
        ({"hidden_size": ...}, "hidden_size is missing"),
        ({"hidden_size": "16"}, "hidden_size must be a positive whole number, not '16'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a positive whole number, not 0"),
        ({"vocab_size": True}, "vocab_size must be a positive whole number, not True"),
        ({"layer_norm_eps": -1}, "layer_norm_eps must be a positive number, not -1"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be a positive number, not nan"),
    ],
)
def test_what_config_json_may_not_say(
    make_checkpoint: MakeCheckpoint, changes: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint()
    edit(directory / "config.json", **changes)
    with pytest.raises(CheckpointError) as error:
        read_config(directory)
    assert message in str(error.value)
    assert str(directory / "config.json") in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": ' * 100_000, "\xff"])
def test_a_file_that_is_not_a_json_object_is_named(make_checkpoint: MakeCheckpoint, content: str) -> None:
    directory = make_checkpoint()
    (directory / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_config(directory)


def test_a_plain_bert_directory_is_pooled_by_the_mean_and_not_normalized(
    make_checkpoint: MakeCheckpoint,
) -> None:
    directory = make_checkpoint()
    for name in ("modules.json", "sentence_bert_config.json"):
        (directory / name).unlink()
    config = read_config(directory)
    assert (config.pooling, config.normalize) == (("mean",), False)
    assert config.max_seq_length == TINY.max_position_embeddings


@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
def test_the_newer_form_of_the_pooling_file_is_read(make_checkpoint: MakeCheckpoint, mode: str) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": mode}))
    assert read_config(directory).pooling == (mode,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling_mode": "sum"}, "sum is not supported, only cls, max, mean"),
        ({"pooling_mode": ["mean", "sum"]}, "mean + sum is not supported"),
        ({"pooling_mode": []}, "no pooling mode is not supported"),
        ({"pooling_mode": 3}, "3 is not supported"),
        ({"pooling_mode_sum_tokens": True}, "pooling_mode_sum_tokens is not supported"),
        ({"pooling_mode": "mean", "include_prompt": False}, "include_prompt false is not supported"),
        ({"pooling_mode_mean_tokens": False}, "no pooling mode is not supported"),
    ],
)
def test_other_poolings_are_refused_by_name(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError) as error:
        read_config(directory)
    assert message in str(error.value)


def test_the_modules_are_read_with_their_folders(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    assert read_modules(directory) == Modules("1_Pooling", (), True)
    kinds = {"": "Transformer", "pool": "Pooling", "a_Dense": "Dense", "b_Dense": "Dense"}
    modules = [{"path": path, "type": f"a.b.{kind}"} for path, kind in kinds.items()]
    (directory / "modules.json").write_text(json.dumps(modules))
    assert read_modules(directory) == Modules("pool", ("a_Dense", "b_Dense"), False)
    (directory / "modules.json").unlink()
    assert read_modules(directory) is None


def test_a_cross_encoder_has_no_pooling_and_its_modules_are_not_read(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "modules.json").write_text("not JSON")
    config = read_config(directory, is_cross_encoder=True)
    assert (config.pooling, config.dense, config.normalize) == ((), (), False)


def test_other_modules_are_refused_by_name(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    modules = json.loads((directory / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.LSTM"
    (directory / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match=r"\['Transformer', 'Pooling', 'LSTM'\] are not supported"):
        read_config(directory)


def test_modules_lie_in_the_checkpoint(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    modules = json.loads((directory / "modules.json").read_text())
    modules[1]["path"] = "../elsewhere"
    (directory / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match=r"must be a plain folder name, not '../elsewhere'"):
        read_config(directory)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        # sentence-transformers concatenates in a fixed order, whatever the order of the file
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({"pooling_mode": ["mean"]}, ("mean",)),
    ],
)
def test_poolings_are_read_in_either_form(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text(json.dumps(fields))
    assert read_config(directory).pooling == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(8, 8), (10**30, TINY.max_position_embeddings), (512, TINY.max_position_embeddings)],
)
def test_max_seq_length_never_exceeds_the_position_table(
    make_checkpoint: MakeCheckpoint, value: int, expected: int
) -> None:
    directory = make_checkpoint()
    edit(directory / "sentence_bert_config.json", max_seq_length=value)
    assert read_config(directory).max_seq_length == expected


def test_without_a_sentence_bert_config_the_tokenizers_length_counts(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "sentence_bert_config.json").unlink()
    (directory / "tokenizer_config.json").write_text('{"model_max_length": 12}')
    assert read_config(directory).max_seq_length == 12


@pytest.mark.parametrize("value", [0, 2, -5, "256", 7.5])
def test_a_nonsensical_max_seq_length_is_refused(make_checkpoint: MakeCheckpoint, value: object) -> None:
    directory = make_checkpoint()
    edit(directory / "sentence_bert_config.json", max_seq_length=value)
    with pytest.raises(CheckpointError, match="max_seq_length must be a whole number of at least 3"):
        read_config(directory)
