"""The settings of a model that may be set, written into the files of a copy of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minilm._files import write_json
from minilm.checkpoint.config import read_settings
from minilm.checkpoint.files import Fields, is_there

_TRANSFORMER = {
    "idx": 0,
    "name": "0",
    "path": "",
    "type": "sentence_transformers.base.modules.transformer.Transformer",
}
_POOLING = {
    "idx": 1,
    "name": "1",
    "path": "1_Pooling",
    "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
}
_CLASSIFIER = {
    "transformer_task": "sequence-classification",
    "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
    "module_output_name": "scores",
}


def write_settings(
    directory: Path, settings: Mapping[str, Any], *, max_seq_length: int, is_cross_encoder: bool
) -> None:
    """Write prompts and the like into ``config_sentence_transformers.json``, and the length into its file.

    What else the files say stays. A setting that is None is left out. sentence-transformers reads these
    settings only beside a ``modules.json``, so a plain BERT directory gets one.
    """
    before = read_settings(directory, is_cross_encoder=is_cross_encoder)
    if before.modules is None:
        write_json(
            directory / "modules.json", [_TRANSFORMER] if is_cross_encoder else [_TRANSFORMER, _POOLING]
        )
        if is_cross_encoder:
            write_json(directory / "sentence_bert_config.json", _CLASSIFIER)
        else:
            pooling = {"embedding_dimension": before.bert.values["hidden_size"], "pooling_mode": "mean"}
            (directory / "1_Pooling").mkdir(exist_ok=True)
            write_json(directory / "1_Pooling" / "config.json", pooling)
    kind = {"model_type": "CrossEncoder"} if is_cross_encoder else {}
    path = before.sentence_transformers.path
    old = {} if before.modules is None else before.sentence_transformers.values
    fields = {"__version__": {}, **kind, **old, **settings}
    write_json(path, {name: value for name, value in fields.items() if value is not None})
    length, fields_of_length = "max_seq_length", before.transformer
    if is_cross_encoder:
        length, fields_of_length = "model_max_length", before.tokenizer
    path = fields_of_length.path
    values = Fields(path).values if is_there(path) else {}
    write_json(path, {**values, length: max_seq_length})
