"""A small checkpoint on which those hypotheses show that all-MiniLM-L6-v2 has as its own settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from safetensors.numpy import save_file

from minilm import MiniLM
from minilm.check.variants import Variants
from tests.checkpoints import TINY, random_tensors, write_checkpoint

# Max pooling, because padding that is counted shows in it, but not in the vector of [CLS].
CONFIG = replace(
    TINY,
    vocab_size=30522,
    hidden_size=32,
    max_position_embeddings=512,
    max_seq_length=384,
    pooling=("max",),
)


def make_other_variants(model: MiniLM, folder: Path) -> Variants:
    """Return a small cased model with the words of ``model``, and one with other weights to check against."""
    first, second = (write_other(model, folder / str(seed), seed) for seed in (0, 1))
    return Variants(MiniLM(str(first)), Variants(MiniLM(str(second))))


def write_other(model: MiniLM, directory: Path, seed: int, *, is_cased: bool = True) -> Path:
    """Write a checkpoint with the words of ``model`` and random weights, and return its directory."""
    write_checkpoint(directory, CONFIG)
    save_file(random_tensors(CONFIG, seed), directory / "model.safetensors")
    config = directory / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "hidden_act": "gelu_new"}))
    (directory / "tokenizer.json").write_text(model.pipeline.tokenizer.backend.to_str(), "utf-8")
    if is_cased:
        cased = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}
        (directory / "tokenizer_config.json").write_text(json.dumps(cased))
    return directory
