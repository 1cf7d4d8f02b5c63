"""What a checkpoint says about itself, as one frozen dataclass.

A sentence-transformers checkpoint spreads its configuration over four JSON files: ``config.json`` (the
BERT encoder, in Hugging Face's terms), ``modules.json`` (what follows the encoder), ``1_Pooling/config.json``
and ``sentence_bert_config.json`` (the length at which texts are cut). Anything they ask for that this
package does not compute is refused by name, so that no checkpoint is ever run wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from minilm.checkpoint.files import is_there, read_json, shown
from minilm.errors import CheckpointError, one_line

Pooling = Literal["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
POOLING_MODES: tuple[str, ...] = get_args(Pooling)

# The flags of older 1_Pooling/config.json, in the order in which several are concatenated; newer files name
# the modes themselves ("pooling_mode").
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# Sizes are int32 in every framework that writes checkpoints, and layer_norm_eps is float32. The deepest BERT
# has 48 layers; a table of all tensors is made before the file is held to it.
_LARGEST_INT = 2**31 - 1
_MOST_LAYERS = 1000
_SMALLEST_FLOAT, _LARGEST_FLOAT = 1.2e-38, 3.4e38

_AfterTheEncoder = tuple[Pooling | tuple[Pooling, ...], tuple[str, ...], bool]


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a BERT encoder and what turns its output into one embedding.

    The names are those of Hugging Face's ``config.json``; those after ``hidden_act`` come from the
    sentence-transformers files beside it.

    Examples
    --------
    >>> config = ModelConfig(
    ...     vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
    ...     intermediate_size=1536, max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
    ... )
    >>> config.head_size
    32
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_act: str = "gelu"
    max_seq_length: int = 256
    pooling: Pooling | tuple[Pooling, ...] = "mean"  # several are concatenated
    dense: tuple[str, ...] = ()  # folders of Dense modules, between pooling and normalization
    normalize: bool = True
    do_lower_case: bool = False  # whatever the tokenizer does by itself

    @property
    def head_size(self) -> int:
        """Width of one attention head: ``hidden_size / num_attention_heads``."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_directory(cls, directory: str | Path, *, is_cross_encoder: bool = False) -> ModelConfig:
        """Read the configuration of the checkpoint in ``directory``.

        Parameters
        ----------
        directory : str or Path
            A sentence-transformers checkpoint (with ``modules.json``), or a plain BERT directory, which is
            pooled by the mean and left unnormalized, as sentence-transformers does.
        is_cross_encoder : bool
            A classifier follows the encoder, and no pooling.

        Raises
        ------
        CheckpointError
            If a file is missing, is not JSON, lacks a field, contradicts itself, or asks for something
            minilm does not compute (another architecture, activation, pooling or module).
        """
        from minilm.fast.packed import HIDDEN_ACTS

        directory = Path(directory)
        bert = _BertFields(directory / "config.json")
        bert.refuse_unless("model_type", "bert", default="bert")
        hidden_act = bert.one_of("hidden_act", HIDDEN_ACTS, default="gelu")
        bert.refuse_unless("position_embedding_type", "absolute", default="absolute")
        bert.refuse_unless("is_decoder", False, default=False)
        hidden_size = bert.positive_int("hidden_size")
        nothing: _AfterTheEncoder = ("cls", (), False)
        pooling, dense, normalize = (
            nothing if is_cross_encoder else _after_the_encoder(directory, hidden_size)
        )
        max_position_embeddings = bert.positive_int("max_position_embeddings")
        if max_position_embeddings < 3:
            raise CheckpointError(
                f"{bert.path}: max_position_embeddings {max_position_embeddings} leaves no room for a token "
                "between [CLS] and [SEP]"
            )
        config = cls(
            vocab_size=bert.positive_int("vocab_size"),
            hidden_size=hidden_size,
            num_hidden_layers=bert.positive_int("num_hidden_layers", _MOST_LAYERS),
            num_attention_heads=bert.positive_int("num_attention_heads"),
            intermediate_size=bert.positive_int("intermediate_size"),
            max_position_embeddings=max_position_embeddings,
            type_vocab_size=bert.positive_int("type_vocab_size"),
            layer_norm_eps=bert.positive_float("layer_norm_eps"),
            hidden_act=hidden_act,
            max_seq_length=_max_seq_length(directory, max_position_embeddings),
            pooling=pooling,
            dense=dense,
            normalize=normalize,
            do_lower_case=_do_lower_case(directory),
        )
        if config.hidden_size % config.num_attention_heads:
            raise CheckpointError(
                f"{directory / 'config.json'}: hidden_size {config.hidden_size} cannot be divided among "
                f"num_attention_heads {config.num_attention_heads}"
            )
        return config


class _BertFields:
    """The fields of one config.json, each read with a check and an error that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fields = read_json(path, dict)

    def refuse_unless(self, name: str, supported: object, *, default: object) -> None:
        value = self.fields.get(name, default)
        if value != supported:
            raise CheckpointError(
                f"{self.path}: {name} {shown(value)} is not supported, only {supported!r} is"
            )

    def one_of(self, name: str, supported: Iterable[str], *, default: str) -> str:
        value = self.fields.get(name, default)
        if not isinstance(value, str) or value not in supported:
            known = ", ".join(map(repr, supported))
            raise CheckpointError(f"{self.path}: {name} {shown(value)} is not supported, only {known} are")
        return value

    def positive_int(self, name: str, most: int = _LARGEST_INT) -> int:
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CheckpointError(f"{self.path}: {name} must be a positive whole number, not {shown(value)}")
        if value > most:
            raise CheckpointError(f"{self.path}: {name} can be {most} at most, not {shown(value)}")
        return value

    def positive_float(self, name: str) -> float:
        value = self._required(name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not _SMALLEST_FLOAT <= value <= _LARGEST_FLOAT:
            raise CheckpointError(f"{self.path}: {name} must be a positive number, not {shown(value)}")
        return float(value)

    def _required(self, name: str) -> Any:  # noqa: ANN401 - JSON's own Any; the callers narrow it
        if name not in self.fields:
            raise CheckpointError(f"{self.path}: {name} is missing")
        return self.fields[name]


def _after_the_encoder(directory: Path, hidden_size: int) -> _AfterTheEncoder:
    """What modules.json puts behind the encoder: pooling, Dense modules, and whether it is normalized."""
    path = directory / "modules.json"
    if not is_there(path):
        return "mean", (), False  # a plain BERT directory, read as sentence-transformers reads it
    modules = read_json(path, list)
    for module in modules:
        is_named = isinstance(module, dict) and isinstance(module.get("type", ""), str)
        if not is_named or not isinstance(module.get("path", ""), str):
            raise CheckpointError(f"{path}: a module must have a type and a path, not be {shown(module)}")
    # "sentence_transformers.models.Pooling", or a longer path ending so in newer versions
    names = [module.get("type", "").rpartition(".")[2] for module in modules]
    if not re.fullmatch(r"Transformer Pooling( Dense)*( Normalize)?", " ".join(names)):
        raise CheckpointError(
            f"{path}: modules {shown(names)} are not supported, only Transformer, Pooling, any number of "
            "Dense and an optional Normalize, in this order"
        )
    if modules[0].get("path", ""):
        raise CheckpointError(
            f"{path}: the Transformer must lie at the top, not in {shown(modules[0]['path'])}"
        )
    folders = [module.get("path", "") for module in modules]
    for folder in folders[1:]:
        if not re.fullmatch(r"\w{1,99}", folder):  # out of the checkpoint it must not lead
            raise CheckpointError(
                f"{path}: a module lies in {shown(folder)}, which is no plain folder's name"
            )
    if len({*folders}) < len(folders):
        raise CheckpointError(f"{path}: two modules lie in the same folder, of {shown(folders)}")
    dense = tuple(folder for folder, name in zip(folders, names, strict=True) if name == "Dense")
    return _pooling(directory / folders[1] / "config.json", hidden_size), dense, names[-1] == "Normalize"


def _pooling(path: Path, hidden_size: int) -> Pooling | tuple[Pooling, ...]:
    fields = read_json(path, dict)
    if fields.get("include_prompt") is False:
        raise CheckpointError(f"{path}: include_prompt false is not supported: prompts are pooled as well")
    for name in ("word_embedding_dimension", "embedding_dimension"):  # the older and the newer name
        if fields.get(name) not in (None, hidden_size):
            raise CheckpointError(
                f"{path}: {name} is {shown(fields[name])}, but config.json has hidden_size {hidden_size}"
            )
    modes: list[Any]
    if "pooling_mode" in fields:
        given = fields["pooling_mode"]
        modes = list(given) if isinstance(given, list) else [given]
    else:
        flags = [name for name, on in fields.items() if name.startswith("pooling_mode_") and on]
        unknown = [name for name in flags if name not in _POOLING_FLAGS]
        modes = unknown or [mode for flag, mode in _POOLING_FLAGS.items() if flag in flags]
    if not modes or not all(mode in POOLING_MODES for mode in modes):
        named = " + ".join(one_line(mode)[:40] for mode in modes[:6]) or "no pooling mode"
        raise CheckpointError(f"{path}: {named} is not supported, only {', '.join(POOLING_MODES)} are")
    if len({*modes}) < len(modes):
        raise CheckpointError(f"{path}: a pooling mode stands twice in {shown(modes)}")
    return modes[0] if len(modes) == 1 else tuple(modes)


def _do_lower_case(directory: Path) -> bool:
    path = directory / "sentence_bert_config.json"
    value = read_json(path, dict).get("do_lower_case") if is_there(path) else None
    if not isinstance(value, bool | None):
        raise CheckpointError(f"{path}: do_lower_case must be true or false, not {shown(value)}")
    return value is True


def _max_seq_length(directory: Path, max_position_embeddings: int) -> int:
    """The length at which sentence-transformers cuts texts for this checkpoint, special tokens included."""
    for name, field in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        path = directory / name
        if not is_there(path):
            continue
        value = read_json(path, dict).get(field)
        if isinstance(value, int) and value > 2:
            # transformers writes 10**30 for "no limit"; the position table is one all the same
            return min(value, max_position_embeddings)
        if value is not None:
            raise CheckpointError(f"{path}: {field} must be a whole number above 2, not {shown(value)}")
    return max_position_embeddings
