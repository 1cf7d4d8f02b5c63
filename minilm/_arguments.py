"""Checks of callers' arguments, with errors that say what to do, and the types of the arguments."""

from __future__ import annotations

import logging
import re
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from minilm._arrays import Device
from minilm.errors import warn_caller

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

Accepts = Callable[[Any], Any]


def is_cpu(device: object) -> bool:
    """Whether a device of torch, by name or itself, is the CPU; None is any."""
    return device is None or re.fullmatch(r"cpu(:\d+)?", str(device)) is not None


def _one_of(*values: object) -> Accepts:
    # the type counts too: 1 equals True, but is not accepted for it
    return lambda value: any(type(value) is type(one) and value == one for one in values)


def _anything(_: object) -> bool:
    return True


def _is_flag(value: object) -> bool:
    return value is None or isinstance(value, bool)


def _is_float32(value: object) -> bool:
    return value is None or str(value).removeprefix("torch.") in ("float32", "float", "auto")


# The keys of model_kwargs and its kin that ask for what minilm does anyway, each with the values that do.
_SHARED = {"trust_remote_code": _is_flag, "use_safetensors": _one_of(None, True)}
_DTYPES = {"dtype": _is_float32, "torch_dtype": _is_float32}
_KWARGS: dict[str, dict[str, Accepts]] = {
    "model_kwargs": {
        **_SHARED,
        **_DTYPES,
        "attn_implementation": _anything,
        "low_cpu_mem_usage": _anything,
        "device_map": lambda value: all(
            map(is_cpu, value.values() if isinstance(value, Mapping) else [value])
        ),
    },
    # None would be no limit, where the checkpoint has one
    "processor_kwargs": {**_SHARED, "use_fast": _is_flag, "model_max_length": bool},
    "config_kwargs": {
        **_SHARED,
        **_DTYPES,
        "hidden_dropout_prob": _anything,
        "attention_probs_dropout_prob": _anything,
        "classifier_dropout": _anything,
        "num_labels": _anything,
    },
}


def _known_kwargs(name: str) -> Accepts:
    known = _KWARGS[name]
    return lambda given: (
        given is None
        or (isinstance(given, Mapping) and all(key in known and known[key](given[key]) for key in given))
    )


# Arguments of sentence-transformers that choose among torch's devices, or are for training. Each has a test
# of the values that ask for what minilm does anyway, and the reason to refuse all others.
_ACCEPTED: dict[str, tuple[Accepts, str]] = {
    "device": (is_cpu, "minilm runs on the CPU; MiniLM(threads=...) says on how many cores"),
    "backend": (_one_of(None, "torch"), "there is one backend, numpy, with the results of torch"),
    "modules": (_one_of(None), "a model is made of a checkpoint, not of torch's modules"),
    **{
        name: (
            _known_kwargs(name),
            f"of these minilm knows {', '.join(known)}, with values that change nothing",
        )
        for name, known in _KWARGS.items()
    },
    "model_card_data": (_one_of(None), "minilm does not train, and so writes no model cards"),
    "trust_remote_code": (_is_flag, "it must be True or False; minilm runs no code of a checkpoint"),
    "num_labels": (
        lambda value: value is None or (isinstance(value, (int, np.integer)) and value > 0),
        "it must be the number of labels of the checkpoint's classifier",
    ),
    "keep_in_fp32_modules": (
        lambda value: value is None or isinstance(value, (list, tuple)),
        "it must be a list of names; everything is float32",
    ),
}

# Former names of arguments, which sentence-transformers still takes, with a warning
RENAMED = {
    "model_name": "model_name_or_path",
    "automodel_args": "model_kwargs",
    "tokenizer_args": "processor_kwargs",
    "tokenizer_kwargs": "processor_kwargs",
    "config_args": "config_kwargs",
    "cache_dir": "cache_folder",
    "default_activation_function": "activation_fn",
    "sentences": "inputs",
    "activation_fct": "activation_fn",
}


# The arguments of encode in their order
ENCODE_ARGUMENTS = (
    "inputs",
    "prompt_name",
    "prompt",
    "batch_size",
    "show_progress_bar",
    "output_value",
    "precision",
    "convert_to_numpy",
    "convert_to_tensor",
    "device",
    "normalize_embeddings",
    "truncate_dim",
    "pool",
    "chunk_size",
)


class TorchOnly(TypedDict, total=False):
    """Arguments of sentence-transformers' constructors, of which minilm takes what it does anyway."""

    device: object
    backend: str | None
    modules: None
    model_kwargs: Mapping[str, Any] | None
    processor_kwargs: Mapping[str, Any] | None
    tokenizer_kwargs: Mapping[str, Any] | None
    config_kwargs: Mapping[str, Any] | None
    model_card_data: None
    trust_remote_code: bool
    use_auth_token: str | bool | None
    num_labels: int | None
    keep_in_fp32_modules: list[str] | None


class Source(TypedDict, total=False):
    """Where a checkpoint comes from: arguments of :func:`minilm.hub.find_checkpoint`."""

    revision: str | None
    cache_folder: str | Path | None
    local_files_only: bool
    token: str | bool | None


class TorchOnlyCall(TypedDict, total=False):
    """Arguments of sentence-transformers' methods that say where and in which pieces to compute."""

    device: object
    pool: Mapping[str, Any] | None
    chunk_size: int | None


def refuse_torch_only(**arguments: object) -> None:
    """Raise a ValueError for an argument that only makes sense with torch, rather than ignore it."""
    for name, value in arguments.items():
        if name not in _ACCEPTED:
            raise unexpected_argument(name, _ACCEPTED)
        accepts, reason = _ACCEPTED[name]
        if not accepts(value):
            raise ValueError(f"{name}={value!r:.200} is not supported: {reason}")


def check_call(device: object, pool: object, chunk_size: object) -> None:
    """Refuse devices other than the CPU, and pools that ``start_multi_process_pool`` did not make."""
    for one in device if isinstance(device, (list, tuple)) else [device]:
        refuse_torch_only(device=one)
    if pool is not None and not isinstance(pool, Pool):
        raise ValueError(f"pool={pool!r:.80} is not supported: make it by start_multi_process_pool")
    if chunk_size is not None:
        positive_int("chunk_size", chunk_size)


class Pool(dict[str, Any]):
    """What stands for a pool of processes: this process, which uses all cores by itself."""


def by_place(names: Sequence[str], values: Sequence[Any], others: Iterable[str]) -> dict[str, Any]:
    """Give values the names of their places; ``others`` are the arguments that came by name."""
    if len(values) > len(names):
        raise TypeError(f"{len(values)} arguments by position, of at most {len(names)}: {', '.join(names)}")
    places = dict(zip(names, values, strict=False))
    if twice := [name for name in others if name in places]:
        raise TypeError(f"several values for the argument {twice[0]!r}")
    return places


def renamed(arguments: dict[str, Any], *names: str) -> dict[str, Any]:
    """Give arguments that came under one of some former names their new ones, with a warning."""
    for old in [name for name in names if name in arguments]:
        new, value = RENAMED[old], arguments.pop(old)
        logger.warning("The `%s` argument was renamed and is now deprecated. Please use `%s`.", old, new)
        arguments.setdefault(new, value)
    return arguments


def without_effect(arguments: dict[str, Any], *names: str) -> None:
    """Take out arguments that sentence-transformers ignores, with a warning."""
    for name in [name for name in names if name in arguments]:
        arguments.pop(name)
        logger.warning("The `%s` argument is deprecated and has no effect.", name)


def constructor_options(
    options: Any,  # noqa: ANN401 - a TorchOnly
    token: str | bool | None,
    max_length: int | None,
) -> tuple[str | bool | None, int | None]:
    """Check arguments of sentence-transformers' constructors; return the token and the length of texts."""
    renamed(options, "tokenizer_kwargs")
    old_token = options.pop("use_auth_token", None)
    if old_token is not None:
        if token is not None:
            raise ValueError("Both `token` and `use_auth_token` are given: pass `token` only")
        warn_caller("use_auth_token is deprecated: it is called token now", FutureWarning)
    refuse_torch_only(**options)
    length = (options.get("processor_kwargs") or {}).get("model_max_length")
    return token if old_token is None else old_token, length if max_length is None else max_length


def encode_others(inputs: object, others: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever a caller gives
    """Check the other arguments of encode; return its inputs, which may have come under their former name."""
    task = renamed(others, "sentences").pop("task", None)
    if not isinstance(task, str | None):
        raise TypeError(f"task must be a str, not {type(task).__name__}")
    if others.pop("processing_kwargs", None):
        raise ValueError("processing_kwargs is not supported: set max_seq_length to cut texts")
    if inputs is not None and "inputs" in others:
        raise TypeError("inputs is given twice, once by its former name")
    inputs = others.pop("inputs", inputs)
    for name in others:
        raise unexpected_argument(name, (*ENCODE_ARGUMENTS, "pooling"))
    return inputs


def positive_int(name: str, value: object) -> int:
    """Return ``value`` as an int, or raise a ValueError if it is not a positive whole number."""
    return whole_number(name, value, 1, "a positive whole number")


def whole_number(name: str, value: object, least: int = 0, kind: str = "0 or a positive whole number") -> int:
    """Return ``value`` as an int, or raise a ValueError if it is not a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be {kind}, not {value!r}")
    return int(value)


def unknown_name(argument: str, value: object, known: Iterable[str]) -> ValueError:
    """Return the error for a name that stands for nothing."""
    names = ", ".join(known) or "(there are none)"
    return ValueError(f"{argument} must be one of {names}, not {value!r:.80}")


def unexpected_argument(name: str, known: Iterable[str]) -> TypeError:
    """Return the error for an argument that no signature has, with the nearest name that one has."""
    return TypeError(f"unexpected keyword argument {name!r}{did_you_mean(name, known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest of some names, or nothing if none is near."""
    near = get_close_matches(name, [one for one in known if not one.startswith("_")], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


# Attributes of sentence-transformers' models that minilm does not have, by the reason
_ABSENT = {
    "minilm does not train": "fit old_fit train parameters named_parameters state_dict load_state_dict "
    "gradient_checkpointing_enable add_adapter load_adapter set_adapter model_card_data",
    "there are no modules of torch": "modules named_modules children forward compile merge model "
    "transformers_model register_forward_hook",
    "everything is float32 on the CPU": "half bfloat16 double cuda xpu mps",
    "upload the folder that save_pretrained writes, with `hf upload`": "push_to_hub save_to_hub",
}


class KnownAttributes:
    """An object that takes no attribute which its class does not know, and says which name is near."""

    if not TYPE_CHECKING:  # with these, type checkers would take any name

        def __setattr__(self, name: str, value: object) -> None:
            # a class that a user derives may have attributes of its own
            is_ours = type(self).__module__.partition(".")[0] in ("minilm", "sentence_transformers")
            if is_ours and name[0] != "_" and name not in _attributes(type(self)):
                raise AttributeError(_no_attribute(self, name))
            known, fixed = getattr(type(self), name, None), {"checkpoint", "config"} & {*vars(self)}
            if name in fixed or (isinstance(known, property) and known.fset is None):
                raise AttributeError(
                    f"{name} of a {type(self).__name__} cannot be set: load another checkpoint"
                )
            object.__setattr__(self, name, value)

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it never returns
            raise AttributeError(_no_attribute(self, name), name=name, obj=self)


@cache
def _attributes(kind: type) -> frozenset[str]:
    """Return the names that a class defines or annotates."""
    annotated = [name for base in kind.__mro__ for name in getattr(base, "__annotations__", ())]
    return frozenset([*dir(kind), *annotated])


def _no_attribute(owner: Any, name: str) -> str:  # noqa: ANN401 - any object
    reasons = [reason for reason, names in _ABSENT.items() if name in names.split()]
    hint = f": {reasons[0]}" if reasons else did_you_mean(name, _attributes(type(owner)))  # type: ignore[arg-type]
    return f"{type(owner).__name__} has no attribute {name!r}{hint}"


class NamesItsLikeness(ABCMeta):
    """The type of a class that names sentence_transformers in its text.

    KeyBERT and BERTopic look there for the kind of a model. In the place of an unknown kind they load another
    model, without a word. Of this kind they demand sentence_transformers' own class, which is an error.
    """

    def __repr__(cls) -> str:
        return (
            f"<class '{cls.__module__}.{cls.__qualname__}', after sentence_transformers.SentenceTransformer>"
        )


class TorchMethods(KnownAttributes):
    """The methods of sentence-transformers' models that ask for what minilm does anyway."""

    @property
    def device(self) -> Any:  # noqa: ANN401 - torch is not imported for it
        """The CPU: as a ``torch.device`` where torch is in use, else as a str with ``type``."""
        torch = sys.modules.get("torch")
        return Device("cpu") if torch is None else torch.device("cpu")

    @property
    def dtype(self) -> Any:  # noqa: ANN401 - as above
        """float32: torch's where torch is in use, else numpy's."""
        torch = sys.modules.get("torch")
        return np.dtype(np.float32) if torch is None else torch.float32

    def to(self, device: object = None, dtype: object = None, non_blocking: bool = False) -> Self:  # noqa: ARG002
        """Return the model itself, if it is asked for the CPU or for float32, as torch takes them."""
        for place in (device, dtype):
            refuse_torch_only(device="cpu" if str(place) in ("torch.float32", "float32") else place)
        return self

    def eval(self) -> Self:
        """Return the model itself: it is always in evaluation mode."""
        return self

    cpu = float = eval  # noqa: A003 - it is on the CPU, in float32

    def start_multi_process_pool(self, target_devices: Sequence[object] | None = None) -> Pool:
        """Return a ``pool`` for encode or predict. It stands for this process, which uses all cores."""
        check_call(list(target_devices or []), None, None)
        return Pool(input=None, output=None, processes=[])

    @staticmethod
    def stop_multi_process_pool(pool: Pool) -> None:
        """Do nothing: a pool has no processes of its own."""
        check_call(None, pool, None)

    def evaluate(self, evaluator: Callable[..., Any], output_path: str | Path | None = None) -> Any:  # noqa: ANN401
        """Return what an evaluator finds: ``evaluator(model, output_path)``."""
        if output_path is not None:
            Path(output_path).mkdir(parents=True, exist_ok=True)
        return evaluator(self, output_path)

    @property
    def modalities(self) -> list[str]:
        """What the model encodes: text."""
        return ["text"]

    def supports(self, modality: str | tuple[str, ...]) -> bool:
        """Whether the model encodes a modality: text only."""
        return modality in self.modalities

    def get_model_kwargs(self) -> list[str]:
        """Further arguments of encode: none."""
        return []
