"""What a checkpoint says about itself, as one frozen dataclass.

A sentence-transformers checkpoint spreads its configuration over four JSON files: ``config.json`` (the
BERT encoder, in Hugging Face's terms), ``modules.json`` (what follows the encoder), ``1_Pooling/config.json``
and ``sentence_bert_config.json`` (the length at which texts are cut). Anything they ask for that this
package does not compute is refused by name, so that no checkpoint is ever run wrongly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from minilm.errors import CheckpointError

Pooling = Literal["mean", "cls", "max"]

# The flag names are those of 1_Pooling/config.json; newer files name the mode itself ("pooling_mode").
_POOLING_FLAGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}

_T = TypeVar("_T")


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a BERT encoder and what turns its output into one embedding.

    The names are those of Hugging Face's ``config.json``; the last three fields come from the
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
    max_seq_length: int = 256
    pooling: Pooling = "mean"
    normalize: bool = True

    @property
    def head_size(self) -> int:
        """Width of one attention head: ``hidden_size / num_attention_heads``."""
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_directory(cls, directory: str | Path) -> ModelConfig:
        """Read the configuration of the checkpoint in ``directory``.

        Parameters
        ----------
        directory : str or Path
            A sentence-transformers checkpoint (with ``modules.json``), or a plain BERT directory, which is
            pooled by the mean and left unnormalized, as sentence-transformers does.

        Raises
        ------
        CheckpointError
            If a file is missing, is not JSON, lacks a field, contradicts itself, or asks for something
            minilm does not compute (another architecture, activation, pooling or module).
        """
        directory = Path(directory)
        bert = _BertFields(directory / "config.json")
        bert.refuse_unless("model_type", "bert", default="bert")
        bert.refuse_unless("hidden_act", "gelu", default="gelu")
        bert.refuse_unless("position_embedding_type", "absolute", default="absolute")
        bert.refuse_unless("is_decoder", False, default=False)
        pooling, normalize = _after_the_encoder(directory)
        max_position_embeddings = bert.positive_int("max_position_embeddings")
        config = cls(
            vocab_size=bert.positive_int("vocab_size"),
            hidden_size=bert.positive_int("hidden_size"),
            num_hidden_layers=bert.positive_int("num_hidden_layers"),
            num_attention_heads=bert.positive_int("num_attention_heads"),
            intermediate_size=bert.positive_int("intermediate_size"),
            max_position_embeddings=max_position_embeddings,
            type_vocab_size=bert.positive_int("type_vocab_size"),
            layer_norm_eps=bert.positive_float("layer_norm_eps"),
            max_seq_length=_max_seq_length(directory, max_position_embeddings),
            pooling=pooling,
            normalize=normalize,
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
            raise CheckpointError(f"{self.path}: {name} {value!r} is not supported, only {supported!r} is")

    def positive_int(self, name: str) -> int:
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CheckpointError(f"{self.path}: {name} must be a positive whole number, not {value!r}")
        return value

    def positive_float(self, name: str) -> float:
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise CheckpointError(f"{self.path}: {name} must be a positive number, not {value!r}")
        return float(value)

    def _required(self, name: str) -> Any:  # noqa: ANN401 - JSON's own Any; the callers narrow it
        if name not in self.fields:
            raise CheckpointError(f"{self.path}: {name} is missing")
        return self.fields[name]


def _after_the_encoder(directory: Path) -> tuple[Pooling, bool]:
    """What modules.json puts behind the encoder: the pooling, and whether the embedding is normalized."""
    path = directory / "modules.json"
    if not path.exists():
        return "mean", False  # a plain BERT directory, read as sentence-transformers reads it
    modules = read_json(path, list)
    # "sentence_transformers.models.Pooling", or a longer path ending so in newer versions
    names = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, dict)]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise CheckpointError(
            f"{path}: modules {names} are not supported, only Transformer, Pooling and an optional "
            "Normalize, in this order"
        )
    if modules[0].get("path", ""):
        raise CheckpointError(f"{path}: the Transformer must lie at the top, not in {modules[0]['path']!r}")
    return _pooling(directory / str(modules[1].get("path", "1_Pooling")) / "config.json"), len(names) == 3


def _pooling(path: Path) -> Pooling:
    fields = read_json(path, dict)
    if fields.get("include_prompt") is False:
        raise CheckpointError(f"{path}: include_prompt false is not supported: prompts are pooled as well")
    chosen = [name for name, on in fields.items() if name.startswith("pooling_mode_") and on]
    if "pooling_mode" in fields:  # the newer form: the name itself, not a flag for each
        mode = fields["pooling_mode"]
        if mode in _POOLING_FLAGS.values():
            return mode
        chosen = [f"pooling_mode {mode!r}"]
    elif len(chosen) == 1 and chosen[0] in _POOLING_FLAGS:
        return _POOLING_FLAGS[chosen[0]]
    raise CheckpointError(
        f"{path}: {' + '.join(chosen) or 'no pooling mode'} is not supported, only one of mean, cls and max"
    )


def _max_seq_length(directory: Path, max_position_embeddings: int) -> int:
    """The length at which sentence-transformers cuts texts for this checkpoint, special tokens included."""
    for name, field in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        path = directory / name
        if not path.exists():
            continue
        value = read_json(path, dict).get(field)
        if isinstance(value, int) and value > 2:
            # transformers writes 10**30 for "no limit"; the position table is one all the same
            return min(value, max_position_embeddings)
        if value is not None:
            raise CheckpointError(f"{path}: {field} must be a whole number above 2, not {value!r}")
    return max_position_embeddings


def read_json(path: Path, kind: type[_T]) -> _T:
    """The JSON value in a checkpoint's file; a CheckpointError names the file if it is not of ``kind``."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON: {error}") from error
    if not isinstance(value, kind):
        raise CheckpointError(f"{path}: holds a JSON {type(value).__name__}, not a {kind.__name__}")
    return value
