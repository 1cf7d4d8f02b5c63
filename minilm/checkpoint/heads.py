"""What follows the encoder in a checkpoint: Dense modules, or the classifier of a cross-encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from minilm._arrays import Float32Array
from minilm.activations import activation_of_torch, identity, sigmoid
from minilm.checkpoint.files import is_there, read_json, shown
from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.heads import ClassificationHead, Dense

Activation = Callable[[Float32Array], Float32Array]


def read_dense_modules(directory: Path, config: ModelConfig) -> tuple[Dense, ...]:
    """Read the Dense modules of a checkpoint, in the order in which they are applied.

    Raises
    ------
    CheckpointError
        As from :func:`read_dense`, or if a module does not take what the one before it gives.
    """
    modules = tuple(read_dense(directory / folder) for folder in config.dense)
    width = config.hidden_size * len(config.pooling)
    for folder, module in zip(config.dense, modules, strict=True):
        inputs, outputs = module.weight.shape
        if inputs != width:
            raise CheckpointError(
                f"{directory / folder} takes embeddings of width {inputs}, but gets such of width {width}"
            )
        width = outputs
    return modules


def read_dense(directory: Path) -> Dense:
    """Read the Dense module in ``directory``.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, its tensors do not fit its ``config.json``, or it asks for what is
        not computed here (another activation, a residual connection, other inputs than the embedding).
    """
    path, weights = directory / "config.json", directory / "model.safetensors"
    fields = read_json(path, dict)
    for name, supported in (
        ("use_residual", False),
        ("module_input_name", "sentence_embedding"),
        ("module_output_name", "sentence_embedding"),
    ):
        if fields.get(name, supported) not in (supported, None):
            raise CheckpointError(
                f"{path}: {name} {shown(fields[name])} is not supported, only {supported!r} is"
            )
    try:
        activation = activation_of_torch(fields.get("activation_function", "Tanh"))
    except ValueError as error:
        raise CheckpointError(f"{path}: activation_function {error}") from None
    if not is_there(weights):
        raise CheckpointError(f"{weights} is missing; minilm opens safetensors only, no pickles")
    for name in ("in_features", "out_features"):
        size = fields.get(name)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size < 2**31:
            raise CheckpointError(f"{path}: {name} must be a positive whole number, not {shown(size)}")
    if not isinstance(has_bias := fields.get("bias", True), bool):
        raise CheckpointError(f"{path}: bias must be true or false, not {shown(has_bias)}")
    inputs, outputs = fields["in_features"], fields["out_features"]
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (outputs, inputs)}
    if has_bias:
        shapes["linear.bias"] = (outputs,)
    tensors = TensorFile(weights, shapes)
    weight = np.ascontiguousarray(tensors["linear.weight"], np.float32)  # (in, out)
    bias = np.asarray(tensors["linear.bias"] if has_bias else np.zeros(outputs), np.float32)  # (out,)
    return Dense(weight, bias, activation, str(weights))


def classifier_shapes(config: ModelConfig, num_labels: int) -> dict[str, tuple[int, ...]]:
    """Tensors of BertForSequenceClassification after the encoder, with their shapes in the file."""
    hidden_size = config.hidden_size
    return {
        "pooler.dense.weight": (hidden_size, hidden_size),
        "pooler.dense.bias": (hidden_size,),
        "classifier.weight": (num_labels, hidden_size),
        "classifier.bias": (num_labels,),
    }


def read_classifier(tensors: Mapping[str, np.ndarray]) -> ClassificationHead:
    """Read the head of a cross-encoder, from a file that was opened with :func:`classifier_shapes`."""
    names = ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")
    return ClassificationHead(*(np.asarray(tensors[name], np.float32) for name in names))


def read_num_labels(directory: Path) -> int:
    """Read how many logits the classifier gives.

    Raises
    ------
    CheckpointError
        If ``config.json`` has something else than a positive whole number.
    """
    fields = read_json(directory / "config.json", dict)
    labels = fields.get("id2label")
    count = len(labels) if isinstance(labels, dict) else fields.get("num_labels", 2)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count < 2**31:
        raise CheckpointError(
            f"{directory / 'config.json'}: num_labels must lie in 1 to {2**31 - 1}, not {shown(count)}"
        )
    return count


def read_score_activation(directory: Path, num_labels: int) -> Activation:
    """Read the function that makes scores of logits, from one of the three places where it may be named.

    If none names one, it is the sigmoid for one label, and the identity for several.

    Raises
    ------
    CheckpointError
        If a function is named that minilm does not know.
    """
    config, own = directory / "config.json", directory / "config_sentence_transformers.json"
    fields = read_json(config, dict)
    nested = fields.get("sentence_transformers")
    name = (
        (read_json(own, dict).get("activation_fn") if is_there(own) else None)
        or (nested.get("activation_fn") if isinstance(nested, dict) else None)
        or fields.get("sbert_ce_default_activation_function")
    )
    if name is None:
        return sigmoid if num_labels == 1 else identity
    try:
        return activation_of_torch(name)
    except ValueError as error:
        raise CheckpointError(f"{directory}: activation_fn {error}") from None


def has_token_types(directory: Path) -> bool:
    """Whether the original's tokenizer tells the encoder which text a token belongs to; BERT's own does."""
    path = directory / "tokenizer_config.json"
    fields = read_json(path, dict) if is_there(path) else {}
    if "model_input_names" in fields:
        if not isinstance(names := fields["model_input_names"], list):
            raise CheckpointError(f"{path}: model_input_names must be a list, not {shown(names)}")
        return "token_type_ids" in names
    return fields.get("tokenizer_class", "BertTokenizer") in ("BertTokenizer", "BertTokenizerFast")
