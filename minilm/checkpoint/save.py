"""The settings of a model that may be set, written into the files of a copy of its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minilm._files import write_json
from minilm.checkpoint.config import model_config, read_settings
from minilm.checkpoint.files import Fields, is_there
from minilm.checkpoint.modules import Kind

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
_SPLADE_POOLING = {
    "idx": 1,
    "name": "1",
    "path": "1_SpladePooling",
    "type": "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling",
}
_POOLINGS: dict[Kind, dict[str, Any]] = {"SentenceTransformer": _POOLING, "SparseEncoder": _SPLADE_POOLING}
_LOGITS = {"modality_config": {"text": {"method": "forward", "method_output_name": "logits"}}}
_TRANSFORMERS: dict[Kind, dict[str, Any]] = {
    "CrossEncoder": {
        "transformer_task": "sequence-classification",
        **_LOGITS,
        "module_output_name": "scores",
    },
    "SparseEncoder": {"transformer_task": "fill-mask", **_LOGITS, "module_output_name": "token_embeddings"},
}


def write_settings(
    directory: Path,
    settings: Mapping[str, Any],
    *,
    max_seq_length: int,
    kind: Kind,
    truncation_side: str | None = None,
) -> None:
    """Write prompts and the like into ``config_sentence_transformers.json``, and the length into its file.

    What else the files say stays. A setting that is None is left out; a ``truncation_side`` of None is as the
    files say. sentence-transformers reads these settings only beside a ``modules.json``, so a plain BERT
    directory gets one.
    """
    before = read_settings(directory, kind=kind)
    transformer = _raw(before.transformer.path)
    if before.modules is None:
        transformer = dict(_TRANSFORMERS.get(kind, {}))
        pooling = _POOLINGS.get(kind)
        write_json(directory / "modules.json", [_TRANSFORMER, *([pooling] if pooling else [])])
        if pooling:
            folder = directory / pooling["path"]
            folder.mkdir(exist_ok=True)
            width = model_config(before).hidden_size
            fields: dict[str, Any] = {"embedding_dimension": width, "pooling_mode": "mean"}
            if kind == "SparseEncoder":
                fields = {"pooling_strategy": "max", "activation_function": "relu"}
            write_json(folder / "config.json", fields)
    model_type = {} if kind == "SentenceTransformer" else {"model_type": kind}
    path = before.sentence_transformers.path
    old = {} if before.modules is None else before.sentence_transformers.values
    fields = {"__version__": {}, **model_type, **old, **settings}
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
    if kind == "CrossEncoder":
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
