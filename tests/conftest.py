"""Fixtures: the real model, loaded once, and small checkpoints with random weights."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from minilm import MiniLM, ModelConfig
from minilm.weights import expected_shapes, load_parameters

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them the processes that
# they start, some of which are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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

# a deadline, or a complaint of slowness, would make the clock part of a test
settings.register_profile("without a clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")


@pytest.fixture(scope="session")
def model() -> MiniLM:
    """The real model. Not skipped where it cannot be had: everything else rests on it."""
    return MiniLM()


@pytest.fixture(scope="session")
def float64_parameters(model: MiniLM) -> dict[str, np.ndarray]:
    """The real model's weights in double precision, for the encoder as the oracle."""
    return load_parameters(model.checkpoint.directory / "model.safetensors", model.config, dtype=np.float64)


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> MakeCheckpoint:
    """A function that writes a small checkpoint with random weights and returns its directory."""

    def make(name: str = "checkpoint", *, config: ModelConfig = TINY) -> Path:
        directory = tmp_path / name
        write_checkpoint(directory, config)
        return directory

    return make


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
            "pooling_mode": config.pooling,
        },
        "sentence_bert_config.json": {"max_seq_length": config.max_seq_length, "do_lower_case": False},
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content))
    tiny_tokenizer(config.vocab_size).save(str(directory / "tokenizer.json"))


def random_tensors(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Tensors as a checkpoint holds them (linear weights (out, in)), small enough to stay well-behaved."""
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }
    for name in tensors:
        if name.endswith("LayerNorm.weight"):
            tensors[name] += 1
    return tensors


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
