"""_loading.py: the parts of a checkpoint; files that change while they are read are read again."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minilm import CheckpointError, MiniLM, _loading
from minilm._loading import EmbedderParts, load, read_cross_encoder, read_embedder
from minilm.activations import identity, sigmoid
from minilm.hub import Checkpoint
from tests.checkpoints import TINY, MakeCheckpoint, write_cross_encoder

WORDS = "embeddings.word_embeddings.weight"


def test_the_parts_of_an_embedder_are_those_of_its_files(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    config, parameters, tokenizer, head, _ = read_embedder(directory)
    assert config == TINY
    words = load_file(directory / "model.safetensors")[WORDS]
    np.testing.assert_array_equal(parameters.word_embeddings, words)
    assert (tokenizer.max_seq_length, tokenizer.path) == (16, directory / "tokenizer.json")
    assert (head.hidden_size, head.pooling, head.dense) == (16, ("mean",), ())


def test_the_parts_of_a_cross_encoder_are_those_of_its_files(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint, labels=3)
    parts = read_cross_encoder(directory)
    tensors = load_file(directory / "model.safetensors")
    np.testing.assert_array_equal(parts.head.weight, tensors["classifier.weight"].T)
    np.testing.assert_array_equal(parts.head.bias, tensors["classifier.bias"])
    np.testing.assert_array_equal(parts.head.pooler_weight, tensors["bert.pooler.dense.weight"].T)
    np.testing.assert_array_equal(parts.head.pooler_bias, tensors["bert.pooler.dense.bias"])
    np.testing.assert_array_equal(parts.parameters.word_embeddings, tensors[f"bert.{WORDS}"])
    assert (parts.activation_fn, parts.tokenizer.has_token_types) == (identity, True)


def test_one_label_has_the_sigmoid_for_its_score(make_checkpoint: MakeCheckpoint) -> None:
    assert read_cross_encoder(write_cross_encoder(make_checkpoint)).activation_fn is sigmoid


def test_token_types_beyond_the_table_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = write_cross_encoder(make_checkpoint, type_vocab_size=1)
    tensors = load_file(directory / "model.safetensors")
    name = "bert.embeddings.token_type_embeddings.weight"
    save_file({**tensors, name: tensors[name][:1]}, directory / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"has token types up to 1, but config\.json has type_vocab_size 1"
    ):
        read_cross_encoder(directory)


def test_a_directory_is_loaded_with_its_prompts(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    (directory / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "q: "}, "default_prompt_name": "query", "similarity_fn_name": "dot"}'
    )
    checkpoint, parts = load(directory, read_embedder)
    assert (checkpoint.directory, checkpoint.is_default) == (directory, False)
    assert parts.prompts == ({"query": "q: ", "document": ""}, "query", "dot", None)
    assert parts.config == TINY


def test_the_default_model_has_the_prompts_of_its_manifest_only() -> None:
    model = MiniLM()
    assert (model.prompts, model.default_prompt_name) == ({"query": "", "document": ""}, None)


class Race:
    """A checkpoint whose files are found in one state and read in another."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads: list[Path] = []
        self.has_read = Event()
        self.directory = directory
        monkeypatch.setattr(_loading, "likely_directory", lambda *_, **__: directory)
        monkeypatch.setattr(_loading, "find_checkpoint", self.find)

    def read(self, directory: Path, is_default: bool) -> EmbedderParts:
        self.reads.append(directory)
        parts = read_embedder(directory, is_default)
        self.has_read.set()
        return parts

    def find(self, *_: object, **__: object) -> Checkpoint:
        return Checkpoint(self.directory, source="a test")


def test_files_are_read_once_while_they_are_hashed(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = Race(make_checkpoint(), monkeypatch)
    load("any", race.read)
    assert len(race.reads) == 1


def test_files_that_changed_while_they_were_hashed_are_read_again(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = Race(make_checkpoint(), monkeypatch)
    tensors = load_file(race.directory / "model.safetensors")
    new = tensors[WORDS] + 1

    def replace_and_find(*_: object, **__: object) -> Checkpoint:
        assert race.has_read.wait(60)
        save_file({**tensors, WORDS: new}, race.directory / "new")
        (race.directory / "new").replace(race.directory / "model.safetensors")
        return race.find()

    monkeypatch.setattr(_loading, "find_checkpoint", replace_and_find)
    _, parts = load("any", race.read)
    np.testing.assert_array_equal(parts.parameters.word_embeddings, new)


def test_another_directory_than_the_likely_one_is_read_again(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = Race(make_checkpoint(), monkeypatch)
    race.directory = make_checkpoint("elsewhere")
    checkpoint, _ = load("any", race.read)
    assert checkpoint.directory == race.reads[-1] == race.directory
    assert len(race.reads) == 2


def test_a_likely_directory_that_is_damaged_does_not_matter_if_another_is_found(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    race = Race(make_checkpoint(), monkeypatch)
    (race.directory / "config.json").write_text("{")
    race.directory = make_checkpoint("elsewhere")
    _, parts = load("any", race.read)
    assert parts.config == TINY


def test_of_the_default_model_only_the_files_of_its_manifest_are_read(
    make_checkpoint: MakeCheckpoint,
) -> None:
    directory = make_checkpoint()
    (directory / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (directory / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: "}}')
    assert read_embedder(directory).prompts.prompts["query"] == "q: "
    assert read_embedder(directory).tokenizer(["A"]) != read_embedder(directory).tokenizer(["a"])
    parts = read_embedder(directory, is_default=True)
    assert parts.prompts.prompts["query"] == ""
    assert parts.tokenizer(["A"]) == parts.tokenizer(["a"])
