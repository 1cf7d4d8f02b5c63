"""What follows the encoder in a checkpoint: modules after pooling, or the classifier of a cross-encoder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilm.activations import (
    TORCH_ACTIVATIONS,
    Activation,
    activation_function,
    identity,
    relu,
    sigmoid,
    softmax,
)
from minilm.checkpoint.config import Settings
from minilm.checkpoint.files import Fields, is_there, quoted
from minilm.checkpoint.keys import DENSE, LAYER_NORM, SPLADE_POOLING, Keys
from minilm.checkpoint.modules import Modules
from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.heads import ClassificationHead, Dense, LayerNormStep, SpladeHead, Step
from minilm.pooling import normalize

SCORE_ACTIVATIONS: dict[str, Activation] = {**TORCH_ACTIVATIONS, "Softmax": softmax}
"""The activation functions that may make a cross-encoder's scores, by the names of torch's classes."""

_TORCH = "torch.nn."

# How often SpladePooling takes log(1 + x).
_LOGARITHMS = {"relu": 1, "log1p_relu": 2}


def read_steps(directory: Path, modules: Modules, width: int) -> tuple[Step, ...]:
    """Read the modules between pooling and the last Normalize, for pooled vectors of this width."""
    steps: list[Step] = []
    for name, folder in modules.steps:
        if name == "Normalize":
            steps.append(normalize)
            continue
        step = read_dense(directory / folder) if name == "Dense" else read_layer_norm(directory / folder)
        if (inputs := len(step.weight)) != width:
            raise CheckpointError(
                f"{directory / folder} takes embeddings of width {inputs}, but gets width {width}"
            )
        width = len(step.bias)
        steps.append(step)
    return tuple(steps)


def read_dense(directory: Path, keys: Keys = DENSE) -> Dense:
    """Read the Dense module in ``directory``; refuse a setting that is not computed here."""
    fields, weights = Fields(directory / "config.json", keys), directory / "model.safetensors"
    name = fields.values.get("activation_function", "torch.nn.Tanh")
    activation = _activation(fields, "activation_function", name, TORCH_ACTIVATIONS)
    _check_weights(weights)
    inputs, outputs = fields.positive_int("in_features"), fields.positive_int("out_features")
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (outputs, inputs)}
    if fields.boolean("bias", default=True):
        shapes["linear.bias"] = (outputs,)
    tensors = TensorFile([weights], shapes, linear=["linear.weight"], nonzero=["linear.weight"])
    weight = np.ascontiguousarray(tensors["linear.weight"], np.float32)  # (in, out)
    bias = tensors["linear.bias"] if "linear.bias" in shapes else np.zeros(outputs)  # (out,)
    return Dense(weight, np.asarray(bias, np.float32), activation, str(weights))


def read_layer_norm(directory: Path) -> LayerNormStep:
    """Read the LayerNorm module in ``directory``."""
    fields, weights = Fields(directory / "config.json", LAYER_NORM), directory / "model.safetensors"
    _check_weights(weights)
    width = fields.positive_int("dimension")
    tensors = TensorFile([weights], {"norm.weight": (width,), "norm.bias": (width,)}, nonzero=["norm.weight"])
    return LayerNormStep(*(np.asarray(tensors[f"norm.{name}"], np.float32) for name in ("weight", "bias")))


def _check_weights(path: Path) -> None:
    if not is_there(path):
        raise CheckpointError(f"{path} is missing; minilm opens safetensors only, no pickles")


class _Classifier(NamedTuple):
    """The names of a classifier's two linear layers, and what lies between them."""

    pooler: str = "classifier.dense"
    output: str = "classifier.out_proj"
    activation: Activation = np.tanh


_CLASSIFIERS = {
    "bert": _Classifier("pooler.dense", "classifier"),
    "distilbert": _Classifier("pre_classifier", "classifier", relu),
}
_ROBERTAS = _Classifier()  # XLM-R and MPNet have it as well


def classifier_shapes(config: ModelConfig, num_labels: int) -> dict[str, tuple[int, ...]]:
    """Tensors of the family's class for classification, after the encoder, with their shapes in the file."""
    hidden_size, names = config.hidden_size, _CLASSIFIERS.get(config.model_type, _ROBERTAS)
    return {
        f"{names.pooler}.weight": (hidden_size, hidden_size),
        f"{names.pooler}.bias": (hidden_size,),
        f"{names.output}.weight": (num_labels, hidden_size),
        f"{names.output}.bias": (num_labels,),
    }


def read_classifier(tensors: Mapping[str, np.ndarray], config: ModelConfig) -> ClassificationHead:
    """Read the head of a cross-encoder, from a file that was opened with :func:`classifier_shapes`."""
    names = _CLASSIFIERS.get(config.model_type, _ROBERTAS)
    pooler, pooler_bias, weight, bias = (
        np.asarray(tensors[f"{layer}.{part}"], np.float32)
        for layer in (names.pooler, names.output)
        for part in ("weight", "bias")
    )
    return ClassificationHead(pooler, pooler_bias, weight, bias, names.activation)


class _MaskedLM(NamedTuple):
    """The names of the head that guesses masked words."""

    dense: str = "lm_head.dense"
    norm: str = "lm_head.layer_norm"
    bias: str = "lm_head.bias"
    decoder: str = (
        "lm_head.decoder"  # its weight is the table of word embeddings, and need not be in the file
    )
    hidden_act: str | None = "gelu"  # None: as in the encoder


_BERT_TRANSFORM = "cls.predictions.transform"
_MASKED_LMS = {
    "bert": _MaskedLM(
        f"{_BERT_TRANSFORM}.dense",
        f"{_BERT_TRANSFORM}.LayerNorm",
        "cls.predictions.bias",
        "cls.predictions.decoder",
        None,
    ),
    "distilbert": _MaskedLM(
        "vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector", None
    ),
}
_ROBERTA_LM = _MaskedLM()  # XLM-R and MPNet have it as well


def masked_lm_shapes(config: ModelConfig, present: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Tensors of the family's class for masked words, after the encoder, with their shapes in the file.

    The weight and the bias of the decoder are among them if they are ``present``.
    """
    names, width, words = (
        _MASKED_LMS.get(config.model_type, _ROBERTA_LM),
        config.hidden_size,
        config.vocab_size,
    )
    shapes: dict[str, tuple[int, ...]] = {
        f"{names.dense}.weight": (width, width),
        f"{names.dense}.bias": (width,),
        f"{names.norm}.weight": (width,),
        f"{names.norm}.bias": (width,),
        names.bias: (words,),
    }
    more = {f"{names.decoder}.weight": (words, width), f"{names.decoder}.bias": (words,)}
    return shapes | {name: shape for name, shape in more.items() if name in present}


def read_splade(tensors: Mapping[str, np.ndarray], config: ModelConfig, pooling: Fields) -> SpladeHead:
    """Read the head of a sparse encoder, from a file that was opened with :func:`masked_lm_shapes`."""
    names = _MASKED_LMS.get(config.model_type, _ROBERTA_LM)
    words = np.asarray(tensors["embeddings.word_embeddings.weight"], np.float32)  # (V, E)
    for name, tied in ((f"{names.decoder}.weight", words.T), (f"{names.decoder}.bias", tensors[names.bias])):
        if name in tensors and not np.array_equal(tensors[name], tied):
            raise CheckpointError(
                f"{name} differs from the tensor that it is tied to, which is not supported: save the model "
                "with tie_word_embeddings"
            )
    parameters = {
        f"{ours}.{part}": np.asarray(tensors[f"{theirs}.{part}"], np.float32)
        for ours, theirs in (("dense", names.dense), ("norm", names.norm))
        for part in ("weight", "bias")
    }
    return SpladeHead(
        parameters,
        np.ascontiguousarray(words.T),
        np.asarray(tensors[names.bias], np.float32),
        activation_function(names.hidden_act or config.hidden_act),
        config.layer_norm_eps,
        pooling.one_of("pooling_strategy", ("max", "sum"), default="max"),
        _LOGARITHMS[pooling.one_of("activation_function", _LOGARITHMS, default="relu")],
    )


def read_splade_pooling(settings: Settings) -> Fields:
    """Read the SpladePooling module; a plain directory of a model for masked words has its defaults."""
    if settings.bert.values.get("tie_word_embeddings", True) is not True:
        raise settings.bert.error("tie_word_embeddings must be true for a SparseEncoder")
    if settings.modules:
        path = settings.directory / settings.modules.pooling / "config.json"
        return Fields(path, SPLADE_POOLING, optional=True)
    names = settings.bert.optional("architectures", list) or []
    if not any(str(name).endswith("ForMaskedLM") for name in names):
        raise settings.bert.error(
            f"architectures {quoted(names)} is not supported: a SparseEncoder needs a model for masked "
            "words, such as BertForMaskedLM"
        )
    return Fields.of(settings.bert.path, {})


def read_num_labels(settings: Settings) -> int:
    """Read how many logits the classifier gives.

    ``num_labels`` goes before ``id2label``. sentence-transformers takes one label if ``architectures`` names
    no classifier.
    """
    bert = settings.bert
    labels = bert.values.get("id2label")
    has_names = bert.values.get("architectures") is not None
    architectures = (bert.optional("architectures", list) if has_names else None) or []
    if "num_labels" in bert.values:
        return bert.positive_int("num_labels")
    if not any(str(name).endswith("ForSequenceClassification") for name in architectures):
        return 1
    if labels is not None and (not isinstance(labels, dict) or not labels):
        raise bert.error(f"id2label names no labels: {quoted(labels)}")
    return 2 if labels is None else len(labels)


def read_score_activation(settings: Settings, num_labels: int) -> Activation:
    """Read the function that makes scores of logits, from the three places where it may be named.

    Without a name it is the sigmoid for one label, and the identity for several.
    """
    own, bert = settings.sentence_transformers, settings.bert
    nested, older = bert.values.get("sentence_transformers"), "sbert_ce_default_activation_function"
    in_nested = isinstance(nested, dict) and "activation_fn" in nested
    places = (
        (own, "activation_fn", own.values.get("activation_fn")),
        (bert, "activation_fn", nested["activation_fn"] if isinstance(nested, dict) and in_nested else None),
        (bert, older, None if in_nested else bert.values.get(older)),
    )
    for fields, field, name in places:
        if name is not None:
            return _activation(fields, field, name, SCORE_ACTIVATIONS)
    return sigmoid if num_labels == 1 else identity


def read_labels(settings: Settings, num_labels: int) -> list[str]:
    """Read the name of each label; a label that ``id2label`` does not name is LABEL_0, LABEL_1 and so on."""
    names = settings.bert.optional("id2label", dict) or {}
    labels = [names.get(str(index), f"LABEL_{index}") for index in range(num_labels)]
    if not all(isinstance(label, str) for label in labels):
        raise settings.bert.error(f"id2label must name labels by texts, not {quoted(names)}")
    return labels


def read_probability(settings: Settings, num_labels: int) -> Activation:
    """Read the function that makes a classifier's probabilities of logits, as transformers' pipeline does.

    It is the sigmoid for labels that do not exclude each other and for a single one, softmax for several of
    which one is true, and the identity for a regression.
    """
    problem = settings.bert.values.get("problem_type")
    if problem == "regression":
        return identity
    return sigmoid if problem == "multi_label_classification" or num_labels == 1 else softmax


def activation_name(activation_fn: Callable[..., Any] | None) -> str:
    """Return the name of torch's class by which a checkpoint names an activation function of scores.

    Raises
    ------
    ValueError
        If no file can name it: a function of a caller, or a module with arguments other than the defaults.
    """
    if activation_fn is None:
        return f"{_TORCH}Identity"
    for name, known in SCORE_ACTIVATIONS.items():
        if activation_fn is known:
            return f"{_TORCH}{name}"
    kind: type[Any] = type(activation_fn)
    is_torch = kind.__module__.startswith("torch.nn.modules.") and kind.__name__ in SCORE_ACTIVATIONS
    # scores have two axes: without a dim, Softmax takes the last one
    if is_torch and repr(activation_fn) in (repr(kind()), "Softmax(dim=-1)", "Softmax(dim=1)"):
        return f"{_TORCH}{kind.__name__}"
    raise ValueError(
        f"activation_fn {activation_fn!r:.80} was set, which no file of a checkpoint can name: to save, set "
        f"one of torch.nn's {', '.join(SCORE_ACTIVATIONS)}, without arguments"
    )


# Identity lies in the last one, and older checkpoints have it in the one before.
_TORCH_PACKAGES = ("torch.nn", *("torch.nn.modules" + end for end in ("", ".activation", ".linear")))


def _activation(fields: Fields, field: str, name: object, functions: Mapping[str, Activation]) -> Activation:
    """Return the activation function of a torch class, such as "torch.nn.modules.activation.Tanh"."""
    package, _, last = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    if last not in functions or package not in _TORCH_PACKAGES:
        choices = ", ".join(functions)
        raise fields.error(f"{field} {quoted(name)} is not supported, only torch.nn's {choices} are")
    return functions[last]
