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
    directory: Path,
    settings: Mapping[str, Any],
    *,
    max_seq_length: int,
    is_cross_encoder: bool,
    truncation_side: str | None = None,
) -> None:
    """Write prompts and the like into ``config_sentence_transformers.json``, and the length into its file.

    What else the files say stays. A setting that is None is left out; a ``truncation_side`` of None is as the
    files say. sentence-transformers reads these settings only beside a ``modules.json``, so a plain BERT
    directory gets one.
    """
    before = read_settings(directory, is_cross_encoder=is_cross_encoder)
    transformer = _raw(before.transformer.path)
    if before.modules is None:
        transformer = dict(_CLASSIFIER) if is_cross_encoder else {}
        write_json(
            directory / "modules.json", [_TRANSFORMER] if is_cross_encoder else [_TRANSFORMER, _POOLING]
        )
        if not is_cross_encoder:
            width = before.bert.positive_int("hidden_size", default=768)
            (directory / "1_Pooling").mkdir(exist_ok=True)
            write_json(
                directory / "1_Pooling" / "config.json",
                {"embedding_dimension": width, "pooling_mode": "mean"},
            )
    kind = {"model_type": "CrossEncoder"} if is_cross_encoder else {}
    path = before.sentence_transformers.path
    old = {} if before.modules is None else before.sentence_transformers.values
    fields = {"__version__": {}, **kind, **old, **settings}
    write_json(path, {name: value for name, value in fields.items() if value is not None})
    calls = transformer.get("processing_kwargs") or {}
    arguments = [transformer.get(name) or {} for name in ("processor_kwargs", "tokenizer_args")]
    # arguments that would go before the setting that is written
    _drop("max_seq_length", transformer)
    _drop("max_length", *(calls.get(name) or {} for name in ("text", "common")))
    _drop("model_max_length", *arguments)
    if truncation_side is not None:
        _drop("truncation_side", *arguments)
    tokenizer = _raw(before.tokenizer.path)
    previous = dict(tokenizer)
    if is_cross_encoder:
        tokenizer["model_max_length"] = max_seq_length
    else:
        transformer["max_seq_length"] = max_seq_length
    if truncation_side is not None:
        tokenizer["truncation_side"] = truncation_side
    if transformer:
        write_json(before.transformer.path, transformer)
    if tokenizer != previous:
        write_json(before.tokenizer.path, tokenizer)


def _raw(path: Path) -> dict[str, Any]:
    return Fields(path).values if is_there(path) else {}


def _drop(name: str, *places: dict[str, Any]) -> None:
    for place in places:
        place.pop(name, None)
