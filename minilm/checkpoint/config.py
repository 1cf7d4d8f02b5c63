"""From a checkpoint's JSON files to one :class:`minilm.ModelConfig`.

A sentence-transformers checkpoint spreads its configuration over several files, each read once.
``config.json`` describes the BERT encoder, in Hugging Face's terms. ``modules.json`` lists the modules after
the encoder, and ``1_Pooling/config.json`` names the pooling. ``sentence_bert_config.json`` holds the length
limit of a text, and arguments for the other files. A setting that minilm does not compute is refused by name,
so that no checkpoint ever runs wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from minilm.checkpoint.files import (
    LARGEST_INT,
    SENTENCE_BERT_CONFIGS,
    Fields,
    check_keys,
    is_there,
    quoted,
    read_json,
)
from minilm.checkpoint.keys import (
    MODEL_KWARGS,
    PROCESSING_KWARGS,
    PYLATE,
    SENTENCE_TRANSFORMERS,
    TEXT_KWARGS,
    TOKENIZER,
    config_keys,
    transformer_keys,
)
from minilm.checkpoint.keys import POOLING as POOLING_KEYS
from minilm.checkpoint.modules import Kind, Modules, read_modules
from minilm.config import ModelConfig
from minilm.errors import CheckpointError, one_line
from minilm.fast.parameters import HIDDEN_ACTS
from minilm.pooling import POOLING, Pooling
from minilm.similarity import SIMILARITY
from minilm.variants import VARIANTS, Variant

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
_POOLING_KEYS = POOLING_KEYS._replace(obeyed=POOLING_KEYS.obeyed | _POOLING_FLAGS.keys())

# The deepest BERT has 48 layers. The limit bounds the table of expected tensors, which is made before the
# weights are opened.
_MAX_LAYERS = 1000

# Beside a tokenizer_config.json without added_tokens_decoder, these files name tokens as well.
OLDER_TOKENIZER_FILES = ("added_tokens.json", "special_tokens_map.json")

# What the Transformer module does, and what its output is called, for each kind of model.
_TASKS: dict[Kind, tuple[str, str, str]] = {
    "SentenceTransformer": ("feature-extraction", "last_hidden_state", "token_embeddings"),
    "CrossEncoder": ("sequence-classification", "logits", "scores"),
    "SparseEncoder": ("fill-mask", "logits", "token_embeddings"),
    "MultiVectorEncoder": ("feature-extraction", "last_hidden_state", "token_embeddings"),
}
_MODULES_OF: dict[Kind, str] = {
    "SentenceTransformer": "a Pooling after the Transformer",
    "CrossEncoder": "a Transformer only",
    "SparseEncoder": "a SpladePooling after the Transformer",
    "MultiVectorEncoder": "modules that work on each token",
}
_RESAVE = (
    "open it with sentence_transformers.MultiVectorEncoder, and save it with save_pretrained(): "
    "minilm.MultiVectorEncoder reads what that writes"
)
# What to do with a checkpoint of another ``model_type`` than the class takes.
_REMEDIES = {
    "CrossEncoder": ": minilm.CrossEncoder reads it",
    "SparseEncoder": ": minilm.SparseEncoder reads it",
    "MultiVectorEncoder": ": minilm.MultiVectorEncoder reads it",
    "ColBERT": f": {_RESAVE}",
}


class Settings(NamedTuple):
    """The JSON files of a checkpoint."""

    directory: Path
    folder: Path  # the folder of the encoder's files: the directory itself, or 0_Transformer
    modules: Modules | None
    bert: Fields  # config.json
    transformer: Fields  # sentence_bert_config.json
    tokenizer: Fields  # tokenizer_config.json
    sentence_transformers: Fields  # config_sentence_transformers.json
    processor_kwargs: Mapping[str, Any]  # arguments of the tokenizer, which tokenizer_config.json lacks
    text_kwargs: Mapping[str, Any]  # arguments of each call of the tokenizer


def read_settings(
    directory: Path, *, kind: Kind = "SentenceTransformer", is_default: bool = False
) -> Settings:
    """Read the JSON files of a checkpoint; a CheckpointError names what is not supported.

    As in sentence-transformers, a directory without ``modules.json`` is a plain BERT directory. Then only
    ``config.json`` and the tokenizer's files count. The same holds for a cross-encoder whose
    ``config_sentence_transformers.json`` does not say that it is one. Of the default model only the files
    that its manifest names are read.
    """
    own, modules = _kind_and_modules(directory, kind, is_default)
    folder = directory / (modules.transformer if modules else "")
    if not is_default and is_there(folder / "adapter_config.json"):
        raise CheckpointError(
            f"{folder / 'adapter_config.json'}: an adapter (PEFT) is not supported: merge it into its base "
            "model with merge_and_unload(), and save that"
        )
    transformer = (
        _transformer_fields(folder, kind) if modules else Fields.of(folder / SENTENCE_BERT_CONFIGS[0], {})
    )
    _check_task(transformer, kind, "fill-mask" if modules and modules.is_mlm else "feature-extraction")
    # the default model's files hold known keys only, unless they are damaged
    bert = Fields(folder / "config.json", extra=_arguments(transformer, "config"))
    known = config_keys(bert.values.get("model_type"))
    check_keys(bert.path, bert.values, known._replace(refuses_unknown=is_default))
    tokenizer = Fields.of(folder / "tokenizer_config.json", {})
    arguments = _arguments(transformer, "processor", "tokenizer_args")
    for name in ("tokenizer_class", "tokenizer_file", "tokenizer_type"):
        if name in arguments:
            only = ", only in tokenizer_config.json" if name == "tokenizer_class" else ""
            raise transformer.error(f"{name} is not supported here{only}")
    if not is_default:
        tokenizer = Fields(tokenizer.path, TOKENIZER, optional=True, extra=arguments)
        for name in OLDER_TOKENIZER_FILES if "added_tokens_decoder" not in tokenizer.values else ():
            if is_there(folder / name):
                tokenizer.values[name] = read_json(folder / name, dict)
    text_kwargs = _text_kwargs(transformer)
    return Settings(directory, folder, modules, bert, transformer, tokenizer, own, arguments, text_kwargs)


def _kind_and_modules(directory: Path, kind: Kind, is_default: bool) -> tuple[Fields, Modules | None]:
    """Read the two files that say what kind of model a checkpoint has; refuse another than ``kind``."""
    path, listing = directory / "config_sentence_transformers.json", directory / "modules.json"
    own = Fields.of(path, {})
    if is_there(listing) and not is_default:
        keys = SENTENCE_TRANSFORMERS
        if kind == "MultiVectorEncoder":  # which refuses them below, also if they are null
            keys = keys._replace(obeyed=keys.obeyed | PYLATE, not_null=keys.not_null | PYLATE)
        own = Fields(path, keys, optional=True)
    if (found := own.values.get("model_type", "SentenceTransformer")) != kind:
        if kind != "CrossEncoder" and is_there(listing):
            remedy = _REMEDIES.get(found, "") if isinstance(found, str) else ""
            raise own.error(f"model_type {quoted(found)} is not supported, only {kind!r} is{remedy}")
        modules, own = None, Fields.of(path, {})
    else:
        modules = read_modules(directory, kind)
    if kind == "MultiVectorEncoder":
        _check_multi_vector(directory, own, modules)
    if modules and (modules.kind != kind or (kind == "CrossEncoder" and modules.others)):
        pooling = {"SparseEncoder": ["SpladePooling"], "SentenceTransformer": ["Pooling"]}
        names = quoted(["Transformer", *pooling.get(modules.kind, []), *dict(modules.others)])
        raise CheckpointError(
            f"{listing}: modules {names} are not supported: a {kind} has {_MODULES_OF[kind]}"
        )
    return own, modules


def _check_multi_vector(directory: Path, own: Fields, modules: Modules | None) -> None:
    """Refuse what only sentence-transformers translates: the older forms of PyLate and of ColBERT's code."""
    if modules is None:
        raise CheckpointError(
            f"{directory} has no modules.json, which a MultiVectorEncoder needs. If it is a checkpoint of "
            f"ColBERT's own code, {_RESAVE}"
        )
    if older := sorted(PYLATE & own.values.keys()):
        raise own.error(f"{quoted(older)} is not supported here: {_RESAVE}")


def _transformer_fields(folder: Path, kind: Kind) -> Fields:
    keys = transformer_keys(kind == "MultiVectorEncoder")
    for name in SENTENCE_BERT_CONFIGS:
        fields = Fields(folder / name, keys, optional=True)
        if fields.values:
            return fields
    return Fields.of(folder / SENTENCE_BERT_CONFIGS[0], {})


def _arguments(fields: Fields, kind: str, older: str = "") -> dict[str, Any]:
    """Arguments that a file holds for another, under one of two names; the older one comes first."""
    name = older or f"{kind}_args"
    name = name if name in fields.values else f"{kind}_kwargs"
    arguments = fields.optional(name, dict) or {}
    places = ("cache_dir", "local_files_only", "revision", "subfolder", "token", "trust_remote_code")
    return {key: value for key, value in arguments.items() if key not in places}


def _check_task(fields: Fields, kind: Kind, default: str) -> None:
    """Refuse a Transformer module that does anything but what minilm does for this kind of model."""
    check_keys(fields.path, _arguments(fields, "model"), MODEL_KWARGS, "model_kwargs.")
    task, output, name = _TASKS[kind]
    given = fields.values.get("transformer_task", default)
    if fields.values and given != task:
        raise fields.error(f"transformer_task {quoted(given)} is not supported, only {task!r} is")
    if "modality_config" in fields.values:
        expected = {"text": {"method": "forward", "method_output_name": output}}
        for field, value in (("modality_config", expected), ("module_output_name", name)):
            if (given := fields.values.get(field)) != value:
                raise fields.error(f"{field} {quoted(given)} is not supported, only {value!r} is")


def _text_kwargs(fields: Fields) -> dict[str, Any]:
    """Return how the tokenizer is called: "common" goes before "text", as in sentence-transformers."""
    groups = fields.optional("processing_kwargs", dict) or {}
    check_keys(fields.path, groups, PROCESSING_KWARGS, "processing_kwargs.")
    merged: dict[str, Any] = {}
    for name in ("text", "common"):
        group = {} if groups.get(name) is None else groups[name]
        if not isinstance(group, dict):
            raise fields.error(f"processing_kwargs.{name} must be an object, not {quoted(group)}")
        check_keys(fields.path, group, TEXT_KWARGS, f"processing_kwargs.{name}.")
        merged.update(group)
    return merged


def read_config(directory: str | Path, *, kind: Kind = "SentenceTransformer") -> ModelConfig:
    """Read the configuration of the checkpoint in ``directory``; a CheckpointError names what is refused.

    As in sentence-transformers, a plain BERT directory without ``modules.json`` is pooled by the mean and is
    not normalized. Other kinds of model have no ``pooling``.
    """
    return model_config(read_settings(Path(directory), kind=kind), kind=kind)


def model_config(settings: Settings, *, kind: Kind = "SentenceTransformer") -> ModelConfig:
    """The configuration that a checkpoint's settings describe. What is missing has transformers' default."""
    bert, modules = settings.bert, settings.modules
    if "model_type" not in bert.values:
        raise bert.error('model_type is missing; add "model_type": "bert" if it is a BERT encoder')
    model_type = bert.values["model_type"]
    variant = VARIANTS[model_type]
    for ours, theirs in variant.fields.items():
        if ours in bert.values:
            raise bert.error(
                f"{ours} is not supported in a {model_type} encoder's config.json: name it {theirs}"
            )
    labels = bert.values.get("id2label") or {}
    if bert.values.get("problem_type") == "single_label_classification" and len(labels) == 1:
        raise bert.error("problem_type 'single_label_classification' needs more than one label in id2label")

    def size(name: str, default: int, most: int = LARGEST_INT) -> int:
        default = variant.defaults.get(name, default)
        return bert.positive_int(variant.fields.get(name, name), most=most, default=default)

    hidden_size = size("hidden_size", 768)
    is_embedder = kind == "SentenceTransformer"
    pooling: tuple[Pooling, ...] = ("mean",) if is_embedder else ()
    if modules and is_embedder:
        pooling = _read_pooling(settings.directory / modules.pooling / "config.json", hidden_size)
    has_types = variant.has_token_types
    config = ModelConfig(
        vocab_size=size("vocab_size", 30522),
        hidden_size=hidden_size,
        num_hidden_layers=size("num_hidden_layers", 12, most=_MAX_LAYERS),
        num_attention_heads=size("num_attention_heads", 12),
        intermediate_size=size("intermediate_size", 3072),
        max_position_embeddings=size("max_position_embeddings", 512),
        type_vocab_size=size("type_vocab_size", 2) if has_types else 2,  # a pair's, of zeros
        layer_norm_eps=variant.layer_norm_eps or bert.positive_float("layer_norm_eps", default=1e-12),
        hidden_act=bert.one_of(variant.fields.get("hidden_act", "hidden_act"), HIDDEN_ACTS, default="gelu"),
        pooling=pooling,
        dense=modules.dense if modules else (),
        normalize=modules.normalize if modules else False,
        do_lower_case=settings.transformer.boolean("do_lower_case", default=False),
        model_type=model_type,
        padding_idx=_padding_idx(bert, variant),
    )
    if variant.padding_idx is None and (config.padding_idx or 0) >= config.vocab_size:
        raise bert.error(
            f"pad_token_id {config.padding_idx} is not in the vocabulary of {config.vocab_size} tokens"
        )
    if config.longest_input < 3:  # [CLS], a token and [SEP]
        raise bert.error(
            f"max_position_embeddings {config.max_position_embeddings} leaves no room for a token between "
            "[CLS] and [SEP]"
        )
    if hidden_size % config.num_attention_heads:
        heads = f"num_attention_heads {config.num_attention_heads}"
        raise bert.error(f"hidden_size {hidden_size} cannot be divided among {heads}")
    return replace(config, max_seq_length=_max_seq_length(settings, config.longest_input))


def _padding_idx(bert: Fields, variant: Variant) -> int | None:
    if not variant.counts_padding or variant.padding_idx is not None:
        return variant.padding_idx
    return bert.positive_int("pad_token_id", least=0, default=1)


def _read_pooling(path: Path, hidden_size: int) -> tuple[Pooling, ...]:
    fields = Fields(path, _POOLING_KEYS)
    values = fields.values
    widths = [values[name] for name in ("word_embedding_dimension", "embedding_dimension") if name in values]
    if not widths:  # the older and the newer name
        raise fields.error("embedding_dimension is missing")
    if any(type(width) is not int or width != hidden_size for width in widths):
        reason = f"is {quoted(widths[0])}, but config.json has hidden_size {hidden_size}"
        raise fields.error(f"word_embedding_dimension {reason}")
    modes: list[Any]
    if "pooling_mode" in values:
        mode = values["pooling_mode"]
        modes = mode if isinstance(mode, list) else [mode]
    else:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if values.get(flag)] or ["mean"]
    if not modes or not all(isinstance(mode, str) and mode in POOLING for mode in modes):
        description = " + ".join(one_line(mode)[:40] for mode in modes[:6]) or "an empty list"
        raise fields.error(f"pooling_mode {description} is not supported, only {', '.join(POOLING)} are")
    if len({*modes}) < len(modes):
        raise fields.error(f"a pooling mode is repeated in {quoted(modes)}")
    return tuple(modes)


def _max_seq_length(settings: Settings, longest_input: int) -> int:
    """The maximum number of tokens per text, with special tokens, as sentence-transformers chooses it."""
    tokenizer, given = settings.tokenizer, settings.transformer
    arguments = Fields.of(given.path, settings.processor_kwargs)
    places = (
        (Fields.of(given.path, settings.text_kwargs), "max_length"),
        (arguments, "model_max_length"),
        (given, "max_seq_length"),
        (tokenizer, "model_max_length"),
        (tokenizer, "max_len"),
    )
    for fields, name in places:
        if fields.values.get(name) is not None:
            # transformers writes 10**30 for "no limit"; the position table is a limit all the same
            value = fields.positive_int(name, least=3, most=None)
            return min(value, longest_input)
        if fields is arguments and name in fields.values:
            break  # as an argument of the tokenizer null is no limit, and max_seq_length none either
    return longest_input


class PromptFields(NamedTuple):
    """The prompts by name, with "query" and "document", and the settings that choose among names."""

    prompts: dict[str, str]
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"
    truncate_dim: int | None = None


def read_prompts(
    fields: Fields,
    known: Iterable[str] = ("query", "document"),
    similarity_fn_name: str = "cosine",
    similarities: Iterable[str] = SIMILARITY,
) -> PromptFields:
    """Read ``config_sentence_transformers.json``; a missing file or a null field means the defaults.

    As in sentence-transformers, the prompts ``known`` of a sentence encoder exist in any case, if only as "".
    """
    prompts = dict.fromkeys(known, "")
    for name, text in (fields.optional("prompts", dict) or {}).items():
        if not isinstance(text, str | None):
            raise fields.error(f"prompts must map names to texts, not {quoted(fields.values['prompts'])}")
        try:
            (name + (text or "")).encode()
        except UnicodeEncodeError:
            raise fields.error(f"the prompt {quoted(name)} holds a lone surrogate") from None
        if text is not None:
            prompts[name] = text
    has_default = "default_prompt_name" in fields.values
    return PromptFields(
        prompts,
        fields.one_of("default_prompt_name", prompts, default="") if has_default else None,
        fields.one_of("similarity_fn_name", similarities, default=similarity_fn_name),
        fields.positive_int("truncate_dim") if "truncate_dim" in fields.values else None,
    )
