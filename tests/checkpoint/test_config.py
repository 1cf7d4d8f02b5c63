"""checkpoint/config.py: which settings are read, and which are refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minilm import CheckpointError
from minilm.checkpoint.config import PromptFields, read_config, read_prompts, read_settings
from minilm.checkpoint.files import SENTENCE_BERT_CONFIGS, Fields
from minilm.checkpoint.keys import SENTENCE_TRANSFORMERS
from minilm.errors import CheckpointWarning
from minilm.variants import VARIANTS
from tests.checkpoints import TINY, MakeCheckpoint, write_version_6


def edit(path: Path, **changes: Any) -> None:
    fields = json.loads(path.read_text())
    fields.update(changes)
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))


def write(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(fields))


def test_a_checkpoint_reads_back_as_it_was_written(make_checkpoint: MakeCheckpoint) -> None:
    assert read_config(make_checkpoint()) == TINY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "modernbert"},
            "model_type 'modernbert' is not supported, only 'bert' or 'roberta' or",
        ),
        ({"model_type": "camembert"}, "model_type 'camembert' is not supported"),
        ({"model_type": ["bert"]}, "model_type ['bert'] is not supported"),
        ({"model_type": "distilbert"}, "hidden_size is not supported in a distilbert encoder's"),
        (
            {"model_type": "mpnet", "relative_attention_num_buckets": 64},
            "relative_attention_num_buckets 64 is",
        ),
        (
            {"model_type": "roberta", "pad_token_id": None},
            "pad_token_id must be a whole number of at least 0",
        ),
        ({"model_type": "roberta", "pad_token_id": 21}, "max_position_embeddings 24 leaves no room"),
        ({"hidden_act": "silu"}, "hidden_act 'silu' is not supported, only 'gelu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key' is not"),
        ({"is_decoder": True}, "is_decoder True is not supported"),
        ({"num_attention_heads": 3}, "hidden_size 16 cannot be divided among num_attention_heads 3"),
        ({"model_type": ...}, 'model_type is missing; add "model_type": "bert"'),
        ({"hidden_size": "16"}, "hidden_size must be a positive whole number, not '16'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a positive whole number, not 0"),
        ({"vocab_size": True}, "vocab_size must be a positive whole number, not True"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps must be a positive number such as 1e-12, not -1.0"),
        ({"layer_norm_eps": None}, "layer_norm_eps must be a positive number such as 1e-12, not None"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be a positive number such as 1e-12, not nan"),
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


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        *(
            (family, changes, message)
            for family in VARIANTS
            for changes, message in (
                *(
                    ({"position_embedding_type": kind}, f"position_embedding_type '{kind}' is not supported")
                    for kind in ("relative_key", "relative_key_query", "rotary", "rope", "alibi")
                ),
                ({"is_decoder": True}, "is_decoder True is not supported"),
                ({"add_cross_attention": True}, "add_cross_attention True is not supported"),
                ({"quantization_config": {}}, "quantization_config {} is not supported"),
                ({"max_position_embeddings": 2}, "max_position_embeddings 2 leaves no room"),
                ({"vocab_size": 0}, "vocab_size must be"),
            )
        ),
        ("roberta", {"hidden_act": "silu"}, "hidden_act 'silu' is not supported"),
        ("roberta", {"pad_token_id": None}, "pad_token_id must be"),
        ("roberta", {"pad_token_id": -1}, "pad_token_id must be"),
        ("xlm-roberta", {"pad_token_id": 30522}, "pad_token_id 30522 is not in the vocabulary of 30522"),
        ("xlm-roberta", {"pad_token_id": 510}, "max_position_embeddings 512 leaves no room"),
        ("xlm-roberta", {"num_attention_heads": 5}, "hidden_size 768 cannot be divided"),
        ("mpnet", {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets 64 is not"),
        ("mpnet", {"hidden_act": "silu"}, "hidden_act 'silu' is not supported"),
        ("distilbert", {"activation": "silu"}, "activation 'silu' is not supported"),
        ("distilbert", {"hidden_act": "gelu"}, "hidden_act is not supported in a distilbert encoder's"),
        ("distilbert", {"num_hidden_layers": 6}, "num_hidden_layers is not supported in a distilbert"),
        ("distilbert", {"n_heads": 7}, "hidden_size 768 cannot be divided"),
        *(
            (family, {}, f"model_type '{family}' is not supported")
            for family in (
                *("albert", "camembert", "deberta-v2", "electra", "nomic_bert", "new", "jina_bert"),
                *(
                    "modernbert",
                    "eurobert",
                    "gte",
                    "xlm",
                    "xlnet",
                    "t5",
                    "gpt2",
                    "llama",
                    "qwen2",
                    "gemma3_text",
                ),
            )
        ),
    ],
)
def test_what_is_not_computed_is_refused_by_name_in_every_family(
    family: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family, **changes}))
    with pytest.raises(CheckpointError) as error:
        read_config(tmp_path)
    assert message in str(error.value)


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
    (directory / "1_Pooling/config.json").write_text(
        json.dumps({"embedding_dimension": 16, "pooling_mode": mode})
    )
    assert read_config(directory).pooling == (mode,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling_mode": "sum"}, "sum is not supported, only cls, max, mean"),
        ({"pooling_mode": ["mean", "sum"]}, "mean + sum is not supported"),
        ({"pooling_mode": []}, "pooling_mode an empty list is not supported"),
        ({"pooling_mode": 3}, "3 is not supported"),
        ({"pooling_mode_sum_tokens": True}, "['pooling_mode_sum_tokens'] is not supported"),
        (
            {"pooling_mode": "mean", "include_prompt": False},
            "include_prompt False is not supported, only True is",
        ),
    ],
)
def test_other_poolings_are_refused_by_name(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text(json.dumps({"embedding_dimension": 16, **fields}))
    with pytest.raises(CheckpointError) as error:
        read_config(directory)
    assert message in str(error.value)


def test_a_cross_encoder_has_no_pooling_and_its_modules_are_not_read(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "modules.json").write_text("not JSON")
    config = read_config(directory, kind="CrossEncoder")
    assert (config.pooling, config.dense, config.normalize) == ((), (), False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        # sentence-transformers concatenates in a fixed order, whatever the order of the file
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({"pooling_mode": ["mean"]}, ("mean",)),
        ({"pooling_mode_mean_tokens": False}, ("mean",)),
        ({}, ("mean",)),
    ],
)
def test_poolings_are_read_in_either_form(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], expected: tuple[str, ...]
) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text(json.dumps({"embedding_dimension": 16, **fields}))
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


def test_what_config_json_lacks_has_the_defaults_of_bert(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    fields = json.loads((directory / "config.json").read_text())
    (directory / "modules.json").unlink()
    (directory / "config.json").write_text(json.dumps({"model_type": "bert"}))
    config = read_config(directory)
    # transformers.BertConfig()
    expected = {
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
    }
    assert {name: getattr(config, name) for name in expected} == expected
    assert fields.keys() - {"model_type"} == expected.keys()


def test_the_width_of_the_pooling_is_that_of_the_encoder(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "1_Pooling/config.json").write_text('{"embedding_dimension": 8}')
    with pytest.raises(CheckpointError, match=r"is 8, but config\.json has hidden_size 16"):
        read_config(directory)
    (directory / "1_Pooling/config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="embedding_dimension is missing"):
        read_config(directory)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_seq_length": 9}, 9),
        ({"max_seq_length": 9, "tokenizer_args": {"model_max_length": 8}}, 8),
        # as an argument null means no limit but that of the positions
        ({"max_seq_length": 9, "tokenizer_args": {"model_max_length": None}}, TINY.max_position_embeddings),
        ({"max_seq_length": 9, "processing_kwargs": {"text": {"max_length": 7}}}, 7),
        ({"processing_kwargs": {"text": {"max_length": 7}, "common": {"max_length": 6}}}, 6),
    ],
)
def test_the_length_that_is_nearest_to_the_tokenizer_counts(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], expected: int
) -> None:
    directory = make_checkpoint()
    (directory / "sentence_bert_config.json").write_text(json.dumps(fields))
    assert read_config(directory).max_seq_length == expected


@pytest.mark.parametrize("name", SENTENCE_BERT_CONFIGS)
def test_the_first_of_seven_names_that_is_not_empty_counts(
    make_checkpoint: MakeCheckpoint, name: str
) -> None:
    directory = make_checkpoint()
    write(directory / "sentence_bert_config.json")
    write(directory / name, max_seq_length=7)
    assert read_settings(directory).transformer.values == {"max_seq_length": 7}


def test_without_modules_only_the_encoders_files_count(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    write(directory / "config_sentence_transformers.json", truncate_dim=3)
    assert read_settings(directory).sentence_transformers.values == {"truncate_dim": 3}
    (directory / "modules.json").unlink()
    settings = read_settings(directory)
    assert (settings.modules, settings.transformer.values, settings.sentence_transformers.values) == (
        None,
        {},
        {},
    )


def test_a_cross_encoders_settings_count_if_they_say_that_it_is_one(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    write_version_6(directory, activation_fn="torch.nn.Tanh")
    settings = read_settings(directory, kind="CrossEncoder")
    assert settings.sentence_transformers.values["activation_fn"] == "torch.nn.Tanh"
    with pytest.raises(CheckpointError, match="model_type 'CrossEncoder' is not supported, only 'SentenceTr"):
        read_settings(directory)
    write_version_6(directory, model_type="SentenceTransformer")
    assert read_settings(directory, kind="CrossEncoder").modules is None


def test_arguments_replace_what_the_other_files_say(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    write(
        directory / "sentence_bert_config.json",
        config_args={"hidden_act": "relu", "trust_remote_code": True},
        processor_kwargs={"do_lower_case": False},
    )
    settings = read_settings(directory)
    assert settings.bert.values["hidden_act"] == "relu"
    assert settings.tokenizer.values == {"do_lower_case": False}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query_length": 8}, "query_length 8 is not supported, only None is"),
        ({"tokenizer_name_or_path": "x/y"}, "tokenizer_name_or_path 'x/y' is not supported"),
        ({"xyz": 1}, r"\['xyz'\] is not supported"),
        ({"model_args": {"xyz": 1}}, r"\['model_kwargs.xyz'\] is not supported"),
        ({"config_args": {"is_decoder": True}}, "is_decoder True is not supported, only False is"),
        ({"config_args": []}, r"config_args must be an object, not \[\]"),
        ({"transformer_task": "fill-mask"}, "transformer_task 'fill-mask' is not supported"),
        ({"modality_config": {}}, r"modality_config \{\} is not supported"),
        ({"processing_kwargs": {"text": []}}, r"processing_kwargs\.text must be an object"),
        (
            {"processing_kwargs": {"text": {"truncation": False}}},
            r"processing_kwargs\.text\.truncation False is",
        ),
    ],
)
def test_what_is_not_computed_is_refused_by_name(
    make_checkpoint: MakeCheckpoint, fields: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint()
    write(directory / "sentence_bert_config.json", **fields)
    with pytest.raises(CheckpointError, match=message):
        read_settings(directory)


def test_an_unknown_key_is_named_by_a_warning(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    write(directory / "config_sentence_transformers.json", xyz=1)
    with pytest.warns(
        CheckpointWarning, match=r"config_sentence_transformers\.json: unknown settings \['xyz'\]"
    ):
        read_settings(directory)


def test_an_adapter_is_refused_with_the_remedy(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    write(directory / "adapter_config.json")
    with pytest.raises(CheckpointError, match=r"adapter_config\.json: an adapter .* merge_and_unload"):
        read_settings(directory)


def test_older_files_of_the_tokenizer_count_beside_an_older_configuration(
    make_checkpoint: MakeCheckpoint,
) -> None:
    directory = make_checkpoint()
    write(directory / "added_tokens.json", x=40)
    write(directory / "special_tokens_map.json", cls_token="[MASK]")
    older = {"added_tokens.json": {"x": 40}, "special_tokens_map.json": {"cls_token": "[MASK]"}}
    assert read_settings(directory).tokenizer.values == older
    assert read_settings(directory, is_default=True).tokenizer.values == {}
    write(directory / "tokenizer_config.json", added_tokens_decoder={})
    assert read_settings(directory).tokenizer.values == {"added_tokens_decoder": {}}


# Prompts, in config_sentence_transformers.json

NAME = "config_sentence_transformers.json"
DEFAULTS = PromptFields({"query": "", "document": ""}, None, "cosine", None)


def prompts_of(directory: Path) -> PromptFields:
    return read_prompts(Fields(directory / NAME, SENTENCE_TRANSFORMERS, optional=True))


def test_a_checkpoint_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert prompts_of(tmp_path) == DEFAULTS
    nulls = {"default_prompt_name": None, "similarity_fn_name": None, "truncate_dim": None}
    (tmp_path / NAME).write_text(json.dumps(nulls))
    assert prompts_of(tmp_path) == DEFAULTS


def test_prompts_are_added_to_the_two_that_always_exist(tmp_path: Path) -> None:
    fields = {
        "prompts": {"query": "search: ", "passage": "text: ", "none": None},
        "default_prompt_name": "passage",
        "similarity_fn_name": "dot",
        "truncate_dim": 8,
    }
    (tmp_path / NAME).write_text(json.dumps(fields))
    expected = {"query": "search: ", "document": "", "passage": "text: "}
    assert prompts_of(tmp_path) == PromptFields(expected, "passage", "dot", 8)


def test_one_default_is_not_shared_with_the_next_reading(tmp_path: Path) -> None:
    prompts_of(tmp_path).prompts["mine"] = "x"
    assert prompts_of(tmp_path) == DEFAULTS


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompts": None}, "prompts must not be null"),
        ({"truncate_dim": 0}, "truncate_dim must be a positive whole number, not 0"),
        ({"prompts": {"a": 1}}, "prompts must map names to texts, not {'a': 1}"),
        (
            {"default_prompt_name": ""},
            "default_prompt_name '' is not supported, only 'query', 'document' are",
        ),
        ({"similarity_fn_name": "hamming"}, "similarity_fn_name 'hamming' is not supported, only 'cosine'"),
    ],
)
def test_a_prompt_or_similarity_that_does_not_exist_is_refused_with_the_file(
    tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    (tmp_path / NAME).write_text(json.dumps(fields))
    with pytest.raises(CheckpointError) as error:
        prompts_of(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / NAME}: {reason}")
