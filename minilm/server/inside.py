"""The inside of the encoder, for one text or two: what the page's tab Inside draws.

Everything is made of what ``encoder.encode`` records, in float32. Its parameters are read
from the checkpoint at the first request, because the fast encoder keeps them in another form. They take as
much memory as the model.

Shapes: N layers, H heads, L tokens of a text, E hidden width.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minilm._arrays import Float64Array, FloatArray, Parameters
from minilm.checkpoint.weights import load_parameters
from minilm.config import ModelConfig
from minilm.encoder import encode
from minilm.explanation import token_parts
from minilm.fast.cores import run_jobs
from minilm.server.service import Service
from minilm.trace.oracle import weights_path


class LayerOutputs(NamedTuple):
    """What the encoder leaves of one text on its way."""

    hidden_states: FloatArray  # (N + 1, L, E): the embeddings, then every layer's output
    attention_probs: FloatArray  # (N, H, L, L)


class Inside:
    """The readable encoder behind a queue of its own."""

    def __init__(self, service: Service) -> None:
        self._model = service.model
        self._batcher = service.add_batcher(self._encode)

    @cached_property
    def _parameters(self) -> Parameters:
        return load_parameters(weights_path(self._model.checkpoint), self._model.config)

    def _encode(self, rows: Sequence[list[int]]) -> list[LayerOutputs]:
        outputs: dict[int, LayerOutputs] = {}
        parameters = self._parameters  # read once, before there are threads

        def encode_row(index: int) -> None:
            outputs[index] = layer_outputs(rows[index], parameters, self._model.config)

        run_jobs(range(len(rows)), lambda: encode_row, threads=self._model.threads)
        return [outputs[index] for index in range(len(rows))]

    async def look(self, rows: Sequence[list[int]]) -> dict[str, Any]:
        """Return what is drawn of one text or two, from their token ids."""
        return await asyncio.to_thread(self._describe, await self._batcher.encode(rows))

    def _describe(self, outputs: Sequence[LayerOutputs]) -> dict[str, Any]:
        states = [output.hidden_states for output in outputs]  # (N + 1, L, E) of each text
        paths, variance = principal_paths(states)
        texts = [
            {
                "attention": output.attention_probs,  # (N, H, L, L)
                "path": path,  # (N + 1, L, 2)
                "norms": np.linalg.norm(hidden, axis=-1),  # (N + 1, L)
                "pooled_shares": pooled_shares(token_parts(hidden[-1], self._model.head.pooling)),  # (L,)
            }
            for output, hidden, path in zip(outputs, states, paths, strict=True)
        ]
        return {"texts": texts, "variance": variance, "scores": self._scores(states)}

    def _scores(self, states: Sequence[FloatArray]) -> Float64Array | None:
        """Return the score that the hidden states of each layer would give, the last one being the score."""
        if len(states) < 2:
            return None
        embed = self._model.head.embedder(normalize_first=True)
        first, second = (
            np.concatenate([embed(layer[None]) for layer in hidden]).astype(np.float64) for hidden in states
        )  # (N + 1, E) each
        return np.asarray((first * second).sum(axis=1))


def layer_outputs(ids: Sequence[int], parameters: Parameters, config: ModelConfig) -> LayerOutputs:
    """Encode one text, and return what each layer makes of it."""
    found: dict[str, FloatArray] = {}
    input_ids = np.array([ids])  # (1, L)
    encode(input_ids, np.ones_like(input_ids), parameters, config, record=found.__setitem__)
    layers = [f"encoder.layer.{i}" for i in range(config.num_hidden_layers)]
    states = ["embeddings.LayerNorm", *(f"{layer}.output.LayerNorm" for layer in layers)]
    return LayerOutputs(
        np.concatenate([found[name] for name in states]),
        np.concatenate([found[f"{layer}.attention.self.attention_probs"] for layer in layers]),
    )


def principal_paths(states: Sequence[FloatArray]) -> tuple[list[Float64Array], Float64Array]:
    """Project the token vectors of all layers on two axes: the principal components of all of them together.

    Returns
    -------
    tuple of list of ndarray, each of shape (N + 1, L, 2), and ndarray of shape (2,)
        The paths of each text's tokens, and the parts of the variance that the axes show.
    """
    points = np.concatenate([hidden.reshape(-1, hidden.shape[-1]) for hidden in states]).astype(np.float64)
    center = points.mean(axis=0)
    _, sizes, axes = np.linalg.svd(points - center, full_matrices=False)
    axes = axes[:2]
    # an axis may point either way: its largest component is positive, so that a text always has one picture
    axes = axes * np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]
    squares = sizes**2
    return [(hidden - center) @ axes.T for hidden in states], squares[:2] / squares.sum()


def pooled_shares(parts: Float64Array) -> Float64Array:
    """Shares (L,) of tokens in the length of the pooled vector, to which their ``parts`` (L, E) add up."""
    pooled = parts.sum(axis=0)  # (E,)
    return np.asarray(parts @ pooled / (pooled @ pooled))
