"""checkpoint/save.py: the settings of a model, in the files of a copy of its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from minilm.checkpoint.save import write_settings
from tests.checkpoints import MakeCheckpoint, write_cross_encoder


def test_settings_join_what_the_files_say(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    path = directory / "config_sentence_transformers.json"
    path.write_text(json.dumps({"prompts": {"a": "b"}, "__version__": {"pytorch": "2"}}))
    # an older name of the file with the length
    transformer = directory / "sentence_roberta_config.json"
    (directory / "sentence_bert_config.json").rename(transformer)
    settings = {"prompts": {"query": "q: "}, "default_prompt_name": None}
    write_settings(directory, settings, max_seq_length=7, kind="SentenceTransformer")
    assert json.loads(path.read_text()) == {"__version__": {"pytorch": "2"}, "prompts": {"query": "q: "}}
    assert json.loads(transformer.read_text()) == {"max_seq_length": 7, "do_lower_case": False}
    assert not (directory / "sentence_bert_config.json").exists()


def test_a_plain_directory_gets_the_modules_that_its_settings_need(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    directory = make_checkpoint()
    for name in ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        (directory / name).unlink()
    model = MiniLM(directory, prompts={"query": "a "}, max_seq_length=5)
    model.save_pretrained(tmp_path / "saved")
    loaded = MiniLM(tmp_path / "saved")
    assert (loaded.prompts, loaded.max_seq_length) == (model.prompts, 5)
    np.testing.assert_array_equal(loaded.encode(["b c d", "d"]), model.encode(["b c d", "d"]))


def test_a_saved_embedder_is_the_same_model(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    model = MiniLM(make_checkpoint(), prompts={"query": "a "}, default_prompt_name="query")
    model.similarity_fn_name, model.max_seq_length, model.truncate_dim = "dot", 5, 8
    model.save_pretrained(tmp_path / "saved")
    loaded = MiniLM(tmp_path / "saved", truncate_dim=8)
    for name in ("prompts", "default_prompt_name", "similarity_fn_name", "max_seq_length"):
        assert getattr(loaded, name) == getattr(model, name)
    np.testing.assert_array_equal(loaded.encode(["b c", "d"]), model.encode(["b c", "d"]))
    settings = json.loads((tmp_path / "saved" / "config_sentence_transformers.json").read_text())
    assert settings["truncate_dim"] == 8


def test_a_saved_cross_encoder_is_the_same_model(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    model = CrossEncoder(write_cross_encoder(make_checkpoint), prompts={"x": "a "}, max_length=7)
    model.save(tmp_path / "saved", create_model_card=False)
    loaded = CrossEncoder(tmp_path / "saved")
    assert loaded.prompts == model.prompts
    np.testing.assert_array_equal(loaded.predict([("b", "c")]), model.predict([("b", "c")]))


def test_what_no_file_can_say_is_not_saved(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    model = MiniLM(make_checkpoint())
    model.normalize = not model.normalize
    with pytest.raises(ValueError, match="normalize was set"):
        model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
