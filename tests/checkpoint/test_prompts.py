"""checkpoint/prompts.py: prompts and the similarity function, as a checkpoint names them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minilm import CheckpointError
from minilm.checkpoint import prompts
from minilm.checkpoint.files import Fields
from minilm.checkpoint.keys import SENTENCE_TRANSFORMERS
from minilm.checkpoint.prompts import PromptFields

NAME = "config_sentence_transformers.json"
DEFAULTS = PromptFields({"query": "", "document": ""}, None, "cosine", None)


def read_prompts(directory: Path) -> PromptFields:
    return prompts.read_prompts(Fields(directory / NAME, SENTENCE_TRANSFORMERS, optional=True))


def test_a_checkpoint_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert read_prompts(tmp_path) == DEFAULTS
    nulls = {"default_prompt_name": None, "similarity_fn_name": None, "truncate_dim": None}
    (tmp_path / NAME).write_text(json.dumps(nulls))
    assert read_prompts(tmp_path) == DEFAULTS


def test_prompts_are_added_to_the_two_that_always_exist(tmp_path: Path) -> None:
    fields = {
        "prompts": {"query": "search: ", "passage": "text: ", "none": None},
        "default_prompt_name": "passage",
        "similarity_fn_name": "dot",
        "truncate_dim": 8,
    }
    (tmp_path / NAME).write_text(json.dumps(fields))
    expected = {"query": "search: ", "document": "", "passage": "text: "}
    assert read_prompts(tmp_path) == PromptFields(expected, "passage", "dot", 8)


def test_one_default_is_not_shared_with_the_next_reading(tmp_path: Path) -> None:
    read_prompts(tmp_path).prompts["mine"] = "x"
    assert read_prompts(tmp_path) == DEFAULTS


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
        read_prompts(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / NAME}: {reason}")
