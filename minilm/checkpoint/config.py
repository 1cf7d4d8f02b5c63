"""From a checkpoint's JSON files to one :class:`minilm.ModelConfig`.

A sentence-transformers checkpoint spreads its configuration over four files. ``config.json`` describes the
BERT encoder, in Hugging Face's terms. ``modules.json`` lists the modules after the encoder, and
``1_Pooling/config.json`` names the pooling. ``sentence_bert_config.json`` holds the length limit of a text.
A setting that minilm does not compute is refused by name, so that no checkpoint ever runs wrongly.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from minilm.checkpoint.files import Fields, is_there, quoted, read_json
from minilm.config import ModelConfig
from minilm.errors import CheckpointError, one_line
from minilm.fast.parameters import HIDDEN_ACTS
from minilm.pooling import POOLING, Pooling

# The flags of older 1_Pooling/config.json files. sentence-transformers concatenates several poolings in this
# order. Newer files hold the names themselves ("pooling_mode").
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# The deepest BERT has 48 layers. The limit bounds the table of expected tensors, which is made before the
# weights are opened.
_MAX_LAYERS = 1000


class Modules(NamedTuple):
    """The modules after the encoder, as ``modules.json`` lists them."""

    pooling: str  # the folder of the Pooling module
    dense: tuple[str, ...]  # the folders of the Dense modules
    normalize: bool


def read_config(directory: str | Path, *, is_cross_encoder: bool = False) -> ModelConfig:
    """Read the configuration of the checkpoint in ``directory``; a CheckpointError names what is refused.

    As in sentence-transformers, a plain BERT directory without ``modules.json`` is pooled by the mean and is
    not normalized. For a cross-encoder ``modules.json`` is not read, and ``pooling`` is empty.
    """
    directory = Path(directory)
    bert = Fields(directory / "config.json")
    bert.refuse_unless("model_type", "bert")
    hidden_act = bert.one_of("hidden_act", HIDDEN_ACTS, default="gelu")
    bert.refuse_unless("position_embedding_type", "absolute")
    bert.refuse_unless("is_decoder", False)
    hidden_size = bert.positive_int("hidden_size")
    modules = None if is_cross_encoder else read_modules(directory)
    pooling: tuple[Pooling, ...] = () if is_cross_encoder else ("mean",)
    if modules is not None:
        pooling = _read_pooling(directory / modules.pooling / "config.json", hidden_size)
    positions = bert.positive_int("max_position_embeddings")
    if positions < 3:  # [CLS], a token and [SEP]
        raise bert.error(
            f"max_position_embeddings {positions} leaves no room for a token between [CLS] and [SEP]"
        )
    sentence_bert = Fields(directory / "sentence_bert_config.json", optional=True)
    config = ModelConfig(
        vocab_size=bert.positive_int("vocab_size"),
        hidden_size=hidden_size,
        num_hidden_layers=bert.positive_int("num_hidden_layers", most=_MAX_LAYERS),
        num_attention_heads=bert.positive_int("num_attention_heads"),
        intermediate_size=bert.positive_int("intermediate_size"),
        max_position_embeddings=positions,
        type_vocab_size=bert.positive_int("type_vocab_size"),
        layer_norm_eps=bert.positive_float("layer_norm_eps"),
        hidden_act=hidden_act,
        max_seq_length=_read_max_seq_length(sentence_bert, positions),
        pooling=pooling,
        dense=modules.dense if modules else (),
        normalize=modules.normalize if modules else False,
        do_lower_case=sentence_bert.boolean("do_lower_case", default=False),
    )
    if hidden_size % config.num_attention_heads:
        heads = f"num_attention_heads {config.num_attention_heads}"
        raise bert.error(f"hidden_size {hidden_size} cannot be divided among {heads}")
    return config


def read_modules(directory: Path) -> Modules | None:
    """Read ``modules.json``; None if the directory has none, as a plain BERT directory."""
    path = directory / "modules.json"
    if not is_there(path):
        return None
    modules = read_json(path, list)
    for module in modules:
        is_module = isinstance(module, dict) and isinstance(module.get("type", ""), str)
        if not is_module or not isinstance(module.get("path", ""), str):
            raise CheckpointError(f"{path}: a module must have a type and a path, not be {quoted(module)}")
    # "sentence_transformers.models.Pooling", or in newer versions a longer path with the same last part
    names = [module.get("type", "").rpartition(".")[2] for module in modules]
    if not re.fullmatch(r"Transformer Pooling( Dense)*( Normalize)?", " ".join(names)):
        raise CheckpointError(
            f"{path}: modules {quoted(names)} are not supported, only Transformer, Pooling, any number of "
            "Dense and an optional Normalize, in this order"
        )
    folders = [module.get("path", "") for module in modules]
    transformer, *others = folders
    if transformer:
        raise CheckpointError(
            f"{path}: the Transformer must be at the top of the directory, not in {quoted(transformer)}"
        )
    for folder in others:
        if not re.fullmatch(r"\w{1,99}", folder):  # a path such as "../x" would leave the checkpoint
            raise CheckpointError(
                f"{path}: a module's path must be a plain folder name, not {quoted(folder)}"
            )
    if len({*folders}) < len(folders):
        raise CheckpointError(f"{path}: two modules have the same folder in {quoted(folders)}")
    dense = tuple(folder for folder, name in zip(folders, names, strict=True) if name == "Dense")
    return Modules(folders[1], dense, names[-1] == "Normalize")


def _read_pooling(path: Path, hidden_size: int) -> tuple[Pooling, ...]:
    fields = Fields(path)
    values = fields.values
    if values.get("include_prompt") is False:
        raise fields.error("include_prompt false is not supported: prompts are pooled as well")
    for name in ("word_embedding_dimension", "embedding_dimension"):  # the older and the newer name
        if values.get(name) not in (None, hidden_size):
            reason = f"is {quoted(values[name])}, but config.json has hidden_size {hidden_size}"
            raise fields.error(f"{name} {reason}")
    modes: list[Any]
    if "pooling_mode" in values:
        mode = values["pooling_mode"]
        modes = mode if isinstance(mode, list) else [mode]
    else:
        flags = [name for name, is_on in values.items() if name.startswith("pooling_mode_") and is_on]
        unknown = [name for name in flags if name not in _POOLING_FLAGS]
        modes = unknown or [mode for flag, mode in _POOLING_FLAGS.items() if flag in flags]
    if not modes or not all(isinstance(mode, str) and mode in POOLING for mode in modes):
        description = " + ".join(one_line(mode)[:40] for mode in modes[:6]) or "no pooling mode"
        raise fields.error(f"{description} is not supported, only {', '.join(POOLING)} are")
    if len({*modes}) < len(modes):
        raise fields.error(f"a pooling mode is repeated in {quoted(modes)}")
    return tuple(modes)


def _read_max_seq_length(sentence_bert: Fields, max_position_embeddings: int) -> int:
    """The maximum number of tokens per text, with special tokens, as sentence-transformers chooses it."""
    fields, name = sentence_bert, "max_seq_length"
    if name not in fields.values:
        name = "model_max_length"
        fields = Fields(sentence_bert.path.with_name("tokenizer_config.json"), optional=True)
    # transformers writes 10**30 for "no limit"; the position table is a limit all the same
    value = fields.positive_int(name, least=3, most=None, default=max_position_embeddings)
    return min(value, max_position_embeddings)
