"""The settings of a model that may be set, written into the files of a copy of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minilm._files import write_json
from minilm.checkpoint.files import Fields


def write_settings(
    directory: Path, settings: Mapping[str, Any], *, max_seq_length: int, length_file: str
) -> None:
    """Write prompts and the like into ``config_sentence_transformers.json``, and the length into its file.

    ``length_file`` is ``sentence_bert_config.json``, or for a cross-encoder ``tokenizer_config.json``. What
    else the files say stays. A setting that is None is left out.
    """
    path = directory / "config_sentence_transformers.json"
    fields = {"__version__": {}, **Fields(path, optional=True).values, **settings}
    write_json(path, {name: value for name, value in fields.items() if value is not None})
    path = directory / length_file
    name = "max_seq_length" if length_file == "sentence_bert_config.json" else "model_max_length"
    write_json(path, {**Fields(path, optional=True).values, name: max_seq_length})
