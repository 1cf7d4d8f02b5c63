"""A loaded model in float64: the truth that other implementations are measured against.

``encoder.py`` computes it, with errors near 1e-15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from minilm import encoder
from minilm._arrays import AnyArray, Float64Array, FloatArray, Int64Array
from minilm.checkpoint.config import read_settings
from minilm.checkpoint.weights import load_parameters
from minilm.fast.cores import run_jobs
from minilm.hub import Checkpoint
from minilm.model import MiniLM
from minilm.variants import VARIANTS

BATCH_TOKENS = 1024  # that the encoder has at a time, in several texts of one length

Row = tuple[int, ...]
Intermediates = dict[str, AnyArray]  # by name, in the order of computation


def weights_path(checkpoint: Checkpoint) -> Path:
    """Return the file of a checkpoint's encoder; it may be in parts, and then the index is beside it."""
    settings = read_settings(checkpoint.directory, is_default=checkpoint.is_default)
    return settings.folder / "model.safetensors"


class Oracle:
    """A model's vectors and intermediates in float64."""

    def __init__(self, model: MiniLM) -> None:
        self.model = model
        self._known: dict[Row, Float64Array] = {}

    @cached_property
    def parameters(self) -> dict[str, FloatArray]:
        """The encoder's parameters in float64."""
        return load_parameters(weights_path(self.model.checkpoint), self.model.config, dtype=np.float64)

    def vectors(self, rows: Sequence[Sequence[int]]) -> Float64Array:
        """Return the embeddings (n, E) of token ids, each of which is computed once."""
        new = sorted({*map(tuple, rows)} - self._known.keys(), key=lambda row: (-len(row), row))
        batches, parameters = [], self.parameters  # read once, before there are threads
        for length, group in groupby(new, key=len):
            same, most = [*group], max(1, BATCH_TOKENS // length)
            batches += [same[start : start + most] for start in range(0, len(same), most)]

        def encode(batch: list[Row]) -> None:
            ids = np.array(batch)
            states = encoder.encode(ids, np.ones_like(ids), parameters, self.model.config)
            self._known |= zip(batch, self._embeddings(states), strict=True)

        run_jobs(batches, lambda: encode, threads=self.model.threads)
        return np.stack([self._known[tuple(row)] for row in rows])

    def intermediates(
        self, input_ids: Int64Array, attention_mask: Int64Array, token_type_ids: Int64Array | None = None
    ) -> Intermediates:
        """Return every intermediate of some texts (B, L), from the token ids to the embeddings."""
        if token_type_ids is None:
            token_type_ids = np.zeros_like(input_ids)
        found: Intermediates = {
            "input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids
        }  # fmt: skip
        states = encoder.encode(
            input_ids,
            attention_mask,
            self.parameters,
            self.model.config,
            token_type_ids=token_type_ids,
            record=found.__setitem__,
        )
        if not VARIANTS[self.model.config.model_type].has_token_types:  # their table is one of zeros
            del found["token_type_ids"], found["embeddings.token_type_embeddings"]
        texts = [tokens[is_token != 0][None] for tokens, is_token in zip(states, attention_mask, strict=True)]
        pool = replace(self.model.head, dense=()).embedder()
        found["sentence_embedding.pooled"] = np.concatenate([pool(tokens) for tokens in texts])
        found["sentence_embedding"] = np.concatenate([self._embeddings(tokens) for tokens in texts])
        return found

    def _embeddings(self, states: FloatArray) -> Float64Array:
        """Hidden states (N, L, E) without padding to embeddings (N, E)."""
        embed = self.model.head.embedder(normalize_first=self.model.normalize)
        return np.asarray(embed(states), np.float64)
