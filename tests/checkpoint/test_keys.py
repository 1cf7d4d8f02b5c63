"""checkpoint/keys.py: no key has two effects, and common checkpoints hold only keys that are known."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import minilm
from minilm.checkpoint import keys
from minilm.checkpoint.files import check_keys
from minilm.checkpoint.keys import Keys

TABLES = {name: value for name, value in vars(keys).items() if isinstance(value, Keys)}


@pytest.mark.parametrize("name", TABLES)
def test_no_key_has_two_effects(name: str) -> None:
    table = TABLES[name]
    assert not table.obeyed & table.without_effect
    assert not (table.obeyed | table.without_effect) & table.only.keys()


# As published: config.json of bert-base-uncased, all-MiniLM-L6-v2, bert-base-multilingual-cased and a
# cross-encoder of sentence-transformers 4; tokenizer_config.json of transformers 4.7, 4.41 and 5.
COMMON: list[tuple[Keys, dict[str, Any]]] = [
    (
        keys.CONFIG,
        dict.fromkeys(
            [
                "_name_or_path",
                "architectures",
                "attention_probs_dropout_prob",
                "classifier_dropout",
                "gradient_checkpointing",
                "hidden_act",
                "hidden_dropout_prob",
                "hidden_size",
                "initializer_range",
                "intermediate_size",
                "layer_norm_eps",
                "max_position_embeddings",
                "num_attention_heads",
                "num_hidden_layers",
                "pad_token_id",
                "torch_dtype",
                "transformers_version",
                "type_vocab_size",
                "use_cache",
                "vocab_size",
                "directionality",
                "pooler_fc_size",
                "pooler_num_attention_heads",
                "pooler_num_fc_layers",
                "pooler_size_per_head",
                "pooler_type",
                "id2label",
                "label2id",
                "sbert_ce_default_activation_function",
                "sentence_transformers",
                "problem_type",
                "dtype",
                "bos_token_id",
                "eos_token_id",
                "tie_word_embeddings",
                "output_past",
            ],
            1,
        ),
    ),
    (
        keys.CONFIG,
        {
            "model_type": "bert",
            "position_embedding_type": "absolute",
            "is_decoder": False,
            "add_cross_attention": False,
        },
    ),
    (
        keys.TOKENIZER,
        dict.fromkeys(
            [
                "do_lower_case",
                "unk_token",
                "sep_token",
                "pad_token",
                "cls_token",
                "mask_token",
                "tokenize_chinese_chars",
                "strip_accents",
                "name_or_path",
                "do_basic_tokenize",
                "never_split",
                "tokenizer_class",
                "model_max_length",
                "special_tokens_map_file",
                "added_tokens_decoder",
                "clean_up_tokenization_spaces",
                "additional_special_tokens",
                "max_length",
                "stride",
                "truncation_side",
                "truncation_strategy",
                "pad_to_multiple_of",
                "pad_token_type_id",
                "extra_special_tokens",
                "is_local",
                "local_files_only",
                "backend",
            ],
            1,
        ),
    ),
    (keys.TOKENIZER, {"padding_side": "right", "split_special_tokens": False}),
    (keys.TRANSFORMER, {"max_seq_length": 256, "do_lower_case": False}),
    (
        keys.TRANSFORMER,
        {
            "transformer_task": "feature-extraction",
            "modality_config": {},
            "unpad_inputs": None,
            "module_output_name": "token_embeddings",
        },
    ),
    (
        keys.SENTENCE_TRANSFORMERS,
        {
            "__version__": {},
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
            "model_type": "SentenceTransformer",
        },
    ),
    (keys.MODULE, {"idx": 0, "name": "0", "path": "", "type": "x", "kwargs": []}),
    (
        keys.DENSE,
        {
            "in_features": 1,
            "out_features": 1,
            "bias": True,
            "activation_function": "x",
            "module_input_name": "sentence_embedding",
            "module_output_name": "sentence_embedding",
        },
    ),
]


@pytest.mark.parametrize(("table", "values"), COMMON)
def test_common_checkpoints_hold_known_keys(tmp_path: Path, table: Keys, values: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_keys(tmp_path / "x.json", values, table)


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "mpnet", "distilbert"])
def test_a_familys_table_is_berts_but_for_its_own_keys(family: str) -> None:
    table = keys.config_keys(family)
    assert not table.obeyed & table.without_effect
    assert not (table.obeyed | table.without_effect) & table.only.keys()
    own = keys.DISTILBERT if family == "distilbert" else keys.MPNET if family == "mpnet" else keys.ROBERTA
    assert own.obeyed <= table.obeyed
    assert own.without_effect <= table.without_effect
    assert keys.CONFIG.only.items() <= table.only.items()


FILES = {
    "CONFIG": "`config.json`",
    "ROBERTA": "in that of RoBERTa and XLM-R",
    "MPNET": "in that of MPNet",
    "DISTILBERT": "in that of DistilBERT",
    "TRANSFORMER": "`sentence_bert_config.json`, and its older names",
    "TOKEN_TRANSFORMER": "in that of a MultiVectorEncoder",
    "QUERY_EXPANSION": "`query_expansion` in it",
    "MODEL_KWARGS": "`model_kwargs`, `model_args` in it",
    "PROCESSING_KWARGS": "`processing_kwargs` in it",
    "TEXT_KWARGS": "`processing_kwargs.text`, `processing_kwargs.common` in it",
    "SENTENCE_TRANSFORMERS": "`config_sentence_transformers.json`",
    "TOKENIZER": "`tokenizer_config.json`",
    "MODULE": "an entry of `modules.json`",
    "POOLING": "`1_Pooling/config.json`",
    "SPLADE_POOLING": "`config.json` of SpladePooling",
    "DENSE": "`config.json` of Dense",
    "NORMALIZE": "`config.json` of Normalize",
    "TOKEN_DENSE": "`config.json` of Dense in a MultiVectorEncoder",
    "TOKEN_NORMALIZE": "`config.json` of Normalize in a MultiVectorEncoder",
    "MULTI_VECTOR_MASK": "`config.json` of MultiVectorMask",
    "LAYER_NORM": "`config.json` of LayerNorm",
    "DROPOUT": "`config.json` of Dropout",
}


def documented_rows() -> list[str]:
    """The rows of docs/checkpoints.md, one per table."""
    rows = []
    for name, file in FILES.items():
        table = TABLES[name]
        only = [f"`{key}` {json.dumps(value)}" for key, values in table.only.items() for value in values[:1]]
        cells = [file, _quoted(table.obeyed), ", ".join(sorted(only)), _quoted(table.without_effect)]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def test_every_table_is_documented() -> None:
    assert FILES.keys() == TABLES.keys()
    page = (Path(minilm.__file__).parent.parent / "docs" / "checkpoints.md").read_text("utf-8")
    assert [row for row in documented_rows() if row not in page.splitlines()] == []
