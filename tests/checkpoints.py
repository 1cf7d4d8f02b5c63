"""Small checkpoints with random weights, in the layout of sentence-transformers and transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from minilm import ModelConfig
from minilm._arrays import Parameters
from minilm.checkpoint.weights import expected_shapes

TINY = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=32,
    max_position_embeddings=24,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    max_seq_length=16,
)


MakeCheckpoint = Callable[..., Path]


def write_checkpoint(directory: Path, config: ModelConfig) -> None:
    (directory / "1_Pooling").mkdir(parents=True)
    save_file(random_tensors(config), directory / "model.safetensors")
    fields = {
        name: getattr(config, name)
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
            "layer_norm_eps",
        )
    }
    modules = ["Transformer", "Pooling", "Normalize"] if config.normalize else ["Transformer", "Pooling"]
    paths = ["", "1_Pooling", "2_Normalize"]
    files = {
        "config.json": {"model_type": "bert", "hidden_act": "gelu", **fields},
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{module}"}
            for i, (module, path) in enumerate(zip(modules, paths, strict=False))
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": config.hidden_size,
            "pooling_mode": list(config.pooling),
        },
        "sentence_bert_config.json": {"max_seq_length": config.max_seq_length, "do_lower_case": False},
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
    tiny_tokenizer(config.vocab_size).save(str(directory / "tokenizer.json"))


def random_tensors(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Random tensors as in a checkpoint (linear weights (out, in)), so small that activations stay finite."""
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }
    for name in tensors:
        if name.endswith("LayerNorm.weight"):
            tensors[name] += 1
    return tensors


def random_parameters(config: ModelConfig, seed: int, dtype: type = np.float64) -> Parameters:
    random = np.random.default_rng(seed)
    parameters: dict[str, np.ndarray] = {}
    for name, shape in expected_shapes(config).items():
        is_linear = len(shape) == 2 and not name.startswith("embeddings.")
        values = random.normal(0, 0.3, shape[::-1] if is_linear else shape)
        parameters[name] = (values + ("LayerNorm.weight" in name)).astype(dtype)
    return parameters


def tiny_tokenizer(vocab_size: int) -> Tokenizer:
    """A BERT tokenizer whose words are the letters a to z and A##b-like pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(ord("a") + i) for i in range(26)]
    vocab = [*special, *letters, *(f"##{letter}" for letter in letters)][:vocab_size]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def write_cross_encoder(make_checkpoint: MakeCheckpoint, *, labels: int = 1, **fields: Any) -> Path:
    """A checkpoint of BertForSequenceClassification: all tensors but the classifier begin with "bert."."""
    directory = make_checkpoint()
    random = np.random.default_rng(labels)
    tensors = {f"bert.{name}": t for name, t in load_file(directory / "model.safetensors").items()}
    for name, shape in (
        ("bert.pooler.dense.weight", (TINY.hidden_size, TINY.hidden_size)),
        ("bert.pooler.dense.bias", (TINY.hidden_size,)),
        ("classifier.weight", (labels, TINY.hidden_size)),
        ("classifier.bias", (labels,)),
    ):
        tensors[name] = random.normal(0, 0.3, shape).astype(np.float32)
    save_file(tensors, directory / "model.safetensors")
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": TINY.max_seq_length}))
    config = directory / "config.json"
    names = {str(i): f"LABEL_{i}" for i in range(labels)}
    head = {"architectures": ["BertForSequenceClassification"], "id2label": names}
    config.write_text(json.dumps({**json.loads(config.read_text()), **head, **fields}))
    return directory


def write_sparse_encoder(make_checkpoint: MakeCheckpoint) -> Path:
    """A plain directory of BertForMaskedLM."""
    directory = make_checkpoint()
    random = np.random.default_rng(0)
    width, words = TINY.hidden_size, TINY.vocab_size
    head = {
        "transform.dense.weight": random.normal(0, 0.3, (width, width)),
        "transform.dense.bias": random.normal(0, 0.3, width),
        "transform.LayerNorm.weight": np.ones(width),
        "transform.LayerNorm.bias": np.zeros(width),
        "bias": random.normal(0, 0.3, words),
    }
    tensors = {f"bert.{name}": tensor for name, tensor in load_file(directory / "model.safetensors").items()}
    tensors |= {f"cls.predictions.{name}": tensor.astype(np.float32) for name, tensor in head.items()}
    save_file(tensors, directory / "model.safetensors")
    (directory / "modules.json").unlink()
    config = directory / "config.json"
    fields = {**json.loads(config.read_text()), "architectures": ["BertForMaskedLM"]}
    config.write_text(json.dumps(fields))
    return directory


def write_multi_vector_encoder(
    make_checkpoint: MakeCheckpoint, transformer: dict[str, Any] | None = None, **mask: Any
) -> Path:
    """A ColBERT checkpoint as sentence-transformers saves it, with a projection to 4 components."""
    directory = make_checkpoint()
    types = {
        "": "base.modules.transformer.Transformer",
        "1_Dense": "base.modules.dense.Dense",
        "2_MultiVectorMask": "multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
        "3_Normalize": "base.modules.normalize.Normalize",
    }
    names = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
    weight = np.random.default_rng(0).normal(0, 0.3, (4, TINY.hidden_size)).astype(np.float32)
    fields = {"in_features": TINY.hidden_size, "out_features": 4, "bias": False, **names}
    write_dense(directory / "1_Dense", {"linear.weight": weight}, **fields)
    files: dict[str, Any] = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.{name}"}
            for i, (path, name) in enumerate(types.items())
        ],
        "config_sentence_transformers.json": {
            "model_type": "MultiVectorEncoder",
            "prompts": {"query": "q ", "document": "d "},
        },
        "sentence_bert_config.json": {"max_seq_length": TINY.max_seq_length, **(transformer or {})},
        "2_MultiVectorMask/config.json": mask,
        "3_Normalize/config.json": names,
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(json.dumps(content))
    return directory


DENSE_WEIGHT = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]], np.float32)  # (out, in), as in torch


DENSE_BIAS = np.array([0.5, -0.5], np.float32)


def write_dense(directory: Path, tensors: dict[str, Any] | None = None, **fields: Any) -> Path:
    directory.mkdir(exist_ok=True)
    given = {"in_features": 3, "out_features": 2, "activation_function": "torch.nn.modules.linear.Identity"}
    (directory / "config.json").write_text(json.dumps({**given, "bias": True, **fields}))
    save_file(
        tensors or {"linear.weight": DENSE_WEIGHT, "linear.bias": DENSE_BIAS}, directory / "model.safetensors"
    )
    return directory


def add_dense(directory: Path, tensors: dict[str, Any] | None = None, **fields: Any) -> None:
    """Insert a Dense module between pooling and normalization."""
    modules = json.loads((directory / "modules.json").read_text())
    modules.insert(2, {"name": "dense", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    (directory / "modules.json").write_text(json.dumps(modules))
    write_dense(directory / "2_Dense", tensors, **fields)


def write_version_6(directory: Path, **settings: Any) -> None:
    """Write a cross-encoder's settings as sentence-transformers 6 saves them, beside its modules."""
    transformer = {
        "name": "0",
        "path": "",
        "type": "sentence_transformers.base.modules.transformer.Transformer",
    }
    files: dict[str, Any] = {
        "modules.json": [transformer],
        "sentence_bert_config.json": {"transformer_task": "sequence-classification", "max_seq_length": 16},
        "config_sentence_transformers.json": {"model_type": "CrossEncoder", **settings},
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
