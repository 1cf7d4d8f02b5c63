"""What follows the encoder in a checkpoint: Dense modules, or the classifier of a cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from minilm.activations import TORCH_ACTIVATIONS, Activation, identity, sigmoid
from minilm.checkpoint.files import Fields, is_there, quoted
from minilm.checkpoint.tensors import TensorFile
from minilm.config import ModelConfig
from minilm.errors import CheckpointError
from minilm.heads import ClassificationHead, Dense


def read_dense_modules(directory: Path, config: ModelConfig) -> tuple[Dense, ...]:
    """Read the Dense modules of a checkpoint, in the order in which they are applied."""
    modules = tuple(read_dense(directory / folder) for folder in config.dense)
    width = config.hidden_size * len(config.pooling)
    for folder, module in zip(config.dense, modules, strict=True):
        inputs, outputs = module.weight.shape
        if inputs != width:
            raise CheckpointError(
                f"{directory / folder} takes embeddings of width {inputs}, but gets width {width}"
            )
        width = outputs
    return modules


def read_dense(directory: Path) -> Dense:
    """Read the Dense module in ``directory``; refuse a setting that is not computed here."""
    fields, weights = Fields(directory / "config.json"), directory / "model.safetensors"
    fields.refuse_unless("use_residual", False, allow_null=True)
    fields.refuse_unless("module_input_name", "sentence_embedding", allow_null=True)
    fields.refuse_unless("module_output_name", "sentence_embedding", allow_null=True)
    activation = _activation(fields, "activation_function", fields.values.get("activation_function", "Tanh"))
    if not is_there(weights):
        raise CheckpointError(f"{weights} is missing; minilm opens safetensors only, no pickles")
    inputs, outputs = fields.positive_int("in_features"), fields.positive_int("out_features")
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (outputs, inputs)}
    if fields.boolean("bias", default=True):
        shapes["linear.bias"] = (outputs,)
    tensors = TensorFile(weights, shapes, linear=["linear.weight"], nonzero=["linear.weight"])
    weight = np.ascontiguousarray(tensors["linear.weight"], np.float32)  # (in, out)
    bias = tensors["linear.bias"] if "linear.bias" in shapes else np.zeros(outputs)  # (out,)
    return Dense(weight, np.asarray(bias, np.float32), activation, str(weights))


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
    """Read how many logits the classifier gives."""
    fields = Fields(directory / "config.json")
    labels = fields.values.get("id2label")
    if labels == {}:
        raise fields.error("id2label names no labels")
    return len(labels) if isinstance(labels, dict) else fields.positive_int("num_labels", default=2)


def read_score_activation(directory: Path, num_labels: int) -> Activation:
    """Read the function that makes scores of logits, from the three places where it may be named.

    Without a name it is the sigmoid for one label, and the identity for several.
    """
    config = Fields(directory / "config.json")
    settings = Fields(directory / "config_sentence_transformers.json", optional=True)
    nested, older = config.values.get("sentence_transformers"), "sbert_ce_default_activation_function"
    places = (
        (settings, "activation_fn", settings.values.get("activation_fn")),
        (config, "activation_fn", nested.get("activation_fn") if isinstance(nested, dict) else None),
        (config, older, config.values.get(older)),
    )
    for fields, field, name in places:
        if name:
            return _activation(fields, field, name)
    return sigmoid if num_labels == 1 else identity


def has_token_types(directory: Path) -> bool:
    """Whether the original's tokenizer tells the encoder which text a token belongs to; BERT's own does."""
    fields = Fields(directory / "tokenizer_config.json", optional=True)
    names = fields.optional("model_input_names", list)
    if names is not None:
        return "token_type_ids" in names
    return fields.values.get("tokenizer_class") in (None, "BertTokenizer", "BertTokenizerFast")


def _activation(fields: Fields, field: str, name: object) -> Activation:
    """Return the activation function of a torch class, "torch.nn.modules.activation.Tanh" or "Tanh"."""
    last = name.rpartition(".")[2] if isinstance(name, str) else ""
    if last not in TORCH_ACTIVATIONS:
        choices = ", ".join(TORCH_ACTIVATIONS)
        raise fields.error(f"{field} {quoted(name)} is not supported, only {choices} are")
    return TORCH_ACTIVATIONS[last]
