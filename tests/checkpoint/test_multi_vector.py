"""checkpoint/multi_vector.py: what a ColBERT checkpoint may say, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, MultiVectorEncoder
from minilm.checkpoint.files import directory_files
from minilm.fast.expanding import QueryExpansion
from minilm.pooling import normalize
from tests.checkpoints import TINY, MakeCheckpoint, write_multi_vector_encoder

EXPANSION = {"strategy": "fixed", "length": 8}


@pytest.fixture
def directory(make_checkpoint: MakeCheckpoint) -> Path:
    return write_multi_vector_encoder(make_checkpoint)


def edit(path: Path, remove: tuple[str, ...] = (), **fields: Any) -> None:
    kept = {name: value for name, value in json.loads(path.read_text()).items() if name not in remove}
    path.write_text(json.dumps({**kept, **fields}))


def edit_modules(directory: Path, *names: str) -> None:
    entries = {entry["path"]: entry for entry in json.loads((directory / "modules.json").read_text())}
    (directory / "modules.json").write_text(json.dumps([entries[name] for name in names]))


def test_modules_are_steps_in_their_order_and_the_mask_is_apart(directory: Path) -> None:
    head = MultiVectorEncoder(directory).head
    assert (head.hidden_size, head.width, head.steps[1]) == (TINY.hidden_size, 4, normalize)
    assert not head.skipped_ids
    assert not head.kept_ids
    assert head.skipped_tasks == {"document"}
    edit_modules(directory, "", "3_Normalize", "1_Dense")
    head = MultiVectorEncoder(directory).head
    assert head.steps[0] is normalize
    edit_modules(directory, "")
    assert MultiVectorEncoder(directory).head.width == TINY.hidden_size


def test_the_mask_counts_by_task_and_by_id(directory: Path) -> None:
    path = directory / "2_MultiVectorMask" / "config.json"
    edit(path, skiplist_words=["a", "b"], skiplist_tasks="query", keep_only_token_ids=[2, 7, 9])
    head = MultiVectorEncoder(directory).head
    ids = [2, 5, 6, 7, 8, 3]  # [CLS] a b c d [SEP]
    assert head.counted(ids, "query").tolist() == [True, False, False, True, True, True]
    for task in ("document", None):
        assert head.counted(ids, task).tolist() == [True, False, False, True, False, False]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (EXPANSION, QueryExpansion(8, 4, is_fixed=True, attend=False)),
        ({**EXPANSION, "token": None, "attend": True}, QueryExpansion(8, 4, is_fixed=True, attend=True)),
        ({"strategy": "min", "length": 5, "token": "z"}, QueryExpansion(5, 30, is_fixed=False, attend=False)),
        (None, None),
    ],
)
def test_a_query_expansion_is_obeyed(directory: Path, given: Any, expected: QueryExpansion | None) -> None:
    edit(directory / "sentence_bert_config.json", query_expansion=given)
    assert MultiVectorEncoder(directory).query_expansion == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query_length": 2}, "query_length must be a whole number of at least 3, not 2"),
        ({"document_length": 25}, "document_length must be at most 24, not 25"),
        ({"query_expansion": []}, r"query_expansion must be an object, not \[\]"),
        ({"query_expansion": {"length": 8}}, r"query_expansion\.strategy '' is not supported, only 'fixed'"),
        ({"query_expansion": {**EXPANSION, "strategy": "max"}}, r"query_expansion\.strategy 'max' is not"),
        ({"query_expansion": {"strategy": "min"}}, r"query_expansion\.length is missing"),
        ({"query_expansion": {**EXPANSION, "length": 25}}, r"query_expansion\.length must be at most 24"),
        ({"query_expansion": {**EXPANSION, "attend": 1}}, r"query_expansion\.attend must be true or false"),
        ({"query_expansion": {**EXPANSION, "token": "[X]"}}, r"query_expansion\.token '\[X\]' is not in the"),
        (
            {"query_expansion": {**EXPANSION, "token": 4}},
            r"query_expansion\.token 4 is not in the vocabulary",
        ),
        (
            {"query_expansion": {**EXPANSION, "token": "\ud800"}},
            r"query_expansion\.token .* is not in the voc",
        ),
        ({"query_expansion": {**EXPANSION, "to": 1}}, r"\['query_expansion\.to'\] is not supported"),
        (
            {"query_expansion": EXPANSION, "query_length": 7},
            r"query_length 7 is less than query_expansion\.length 8",
        ),
        (
            {"document_length": 7, "processing_kwargs": {"text": {"max_length": 9}}},
            "document_length beside max_length in processing_kwargs is not supported",
        ),
        ({"transformer_task": "retrieval"}, "transformer_task 'retrieval' is not supported"),
    ],
)
def test_a_setting_of_a_role_that_cannot_be_obeyed_is_refused(
    directory: Path, fields: dict[str, Any], message: str
) -> None:
    edit(directory / "sentence_bert_config.json", **fields)
    with pytest.raises(CheckpointError, match=message):
        MultiVectorEncoder(directory)


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ("1_Dense", {"module_input_name": "sentence_embedding"}, "module_input_name 'sentence_embedding' is"),
        ("1_Dense", {"use_residual": True}, "use_residual True is not supported"),
        ("1_Dense", {"in_features": 5}, "linear.weight has shape"),
        ("2_MultiVectorMask", {"skiplist_words": "a"}, "skiplist_words must be a list, not 'a'"),
        ("2_MultiVectorMask", {"skiplist_words": [1]}, r"skiplist_words must be a list of tokens, not \[1\]"),
        ("2_MultiVectorMask", {"skiplist_tasks": 1}, "skiplist_tasks must be a list of names, not 1"),
        ("2_MultiVectorMask", {"keep_only_token_ids": ["a"]}, r"must be a list of token ids, not \['a'\]"),
        ("2_MultiVectorMask", {"keep_only_token_ids": [40]}, r"must be a list of token ids, not \[40\]"),
        ("2_MultiVectorMask", {"other": 1}, r"\['other'\] is not supported"),
        ("3_Normalize", {"module_input_name": "sentence_embedding"}, "module_input_name 'sentence_embedding"),
        ("3_Normalize", {"module_output_name": "other"}, "module_output_name 'other' is not supported"),
    ],
)
def test_a_setting_of_a_module_that_cannot_be_obeyed_is_refused(
    directory: Path, file: str, fields: dict[str, Any], message: str
) -> None:
    edit(directory / file / "config.json", **fields)
    with pytest.raises(CheckpointError, match=message):
        MultiVectorEncoder(directory)


def test_a_normalize_that_names_nothing_would_scale_nothing(directory: Path) -> None:
    (directory / "3_Normalize" / "config.json").unlink()
    with pytest.raises(CheckpointError, match="module_input_name is missing, and must be 'token_embeddings'"):
        MultiVectorEncoder(directory)


def test_a_projection_must_fit_what_comes_before_it(directory: Path) -> None:
    entries = json.loads((directory / "modules.json").read_text())
    (directory / "1_Dense").rename(directory / "9_Dense")
    again = {**entries[1], "name": "9", "path": "9_Dense"}
    (directory / "modules.json").write_text(json.dumps([entries[0], again]))
    assert MultiVectorEncoder(directory).head.width == 4
    (directory / "8_Dense").mkdir()
    for file in (directory / "9_Dense").iterdir():
        (directory / "8_Dense" / file.name).write_bytes(file.read_bytes())
    (directory / "modules.json").write_text(
        json.dumps([entries[0], {**entries[1], "path": "8_Dense"}, again])
    )
    with pytest.raises(CheckpointError, match="takes vectors of width 16, but gets width 4"):
        MultiVectorEncoder(directory)


def test_an_expansion_needs_a_mask_that_counts_its_tokens(directory: Path) -> None:
    edit(directory / "sentence_bert_config.json", query_expansion=EXPANSION)
    edit_modules(directory, "", "1_Dense", "3_Normalize")
    with pytest.raises(CheckpointError, match="query_expansion without a MultiVectorMask module"):
        MultiVectorEncoder(directory)


@pytest.mark.parametrize("name", ["query_prefix", "skiplist_words", "query_expansion"])
@pytest.mark.parametrize("value", [None, "[Q] "])
def test_settings_of_pylate_are_refused_with_the_remedy(directory: Path, name: str, value: Any) -> None:
    edit(directory / "config_sentence_transformers.json", **{name: value})
    message = f"{name} must not be null" if value is None else f"{name}.*: open it with sentence_transformers"
    with pytest.raises(CheckpointError, match=message):
        MultiVectorEncoder(directory)


@pytest.mark.filterwarnings("ignore::minilm.CheckpointWarning")
def test_older_forms_are_refused_with_the_remedy(directory: Path) -> None:
    edit(directory / "config_sentence_transformers.json", model_type="ColBERT")
    with pytest.raises(
        CheckpointError, match=r"'ColBERT' is not supported, .*open it with sentence_transfor"
    ):
        MultiVectorEncoder(directory)
    edit(directory / "config_sentence_transformers.json", model_type="MultiVectorEncoder")
    (directory / "modules.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no modules\.json, which a MultiVectorEncoder needs"):
        MultiVectorEncoder(directory)


@pytest.mark.parametrize("name", ["cosine", "xtr"])
def test_scores_of_single_vectors_are_refused(directory: Path, name: str) -> None:
    edit(directory / "config_sentence_transformers.json", similarity_fn_name=name)
    with pytest.raises(CheckpointError, match=f"similarity_fn_name '{name}' is not supported, only 'maxsim'"):
        MultiVectorEncoder(directory)


def test_every_file_that_a_load_reads_is_fetched(directory: Path) -> None:
    files = directory_files(directory)
    assert {"2_MultiVectorMask/config.json", "3_Normalize/config.json", "1_Dense/model.safetensors"} <= {
        *files
    }


def test_vectors_of_a_head_by_hand(directory: Path) -> None:
    head = MultiVectorEncoder(directory).head
    states = np.random.default_rng(0).normal(size=(2, 3, TINY.hidden_size)).astype(np.float32)
    projected = states @ head.steps[0].weight  # type: ignore[union-attr]
    lengths = np.sqrt((projected**2).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(np.stack(head.vectors(states)), projected / lengths, rtol=1e-5)
