"""What may be wrong where another implementation first differs: each cause is a tensor that it would give.

All that goes into the tensor agrees, because it is the first that differs. So one formula with one thing
changed, on our own numbers, either gives the other's numbers or does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minilm import encoder
from minilm._arrays import FloatArray, Int64Array, no_float_errors
from minilm.activations import gelu, gelu_tanh, relu, sigmoid, softmax
from minilm.pooling import POOLING, normalize
from minilm.trace.names import kind_of
from minilm.trace.oracle import Intermediates, Oracle
from minilm.variants import attention_bias

Cause = tuple[str, FloatArray]  # in words, and the tensor that it gives


@dataclass(frozen=True)
class Causes:
    """The causes that are known for each tensor of a trace."""

    oracle: Oracle
    ours: Intermediates

    @no_float_errors
    def of(self, name: str) -> Iterator[Cause]:
        """Yield each known cause for a difference in a tensor."""
        kind, x = kind_of(name), self.ours[name]
        if name.endswith("_embeddings"):
            yield from self._look_ups(name)
        elif name.endswith(".input"):
            yield from self._sums(name, x)
        elif name.endswith("LayerNorm"):
            yield from self._layer_norms(name)
        elif f"{name}.bias" in self.oracle.parameters:
            yield from self._linear(name, x)
        elif kind == "attention.self.attention_scores":
            yield from self._scores(x)
        elif kind == "attention.self.attention_probs":
            yield from self._softmax(name)
        elif kind == "attention.self.context_layer":
            heads = x.reshape(*x.shape[:2], x.shape[2] // self.oracle.model.config.head_size, -1)
            yield "the heads are interleaved, not side by side", heads.swapaxes(2, 3).reshape(x.shape)
        elif kind == "intermediate.intermediate_act_fn":
            yield from self._activations(self.ours[name.replace("intermediate_act_fn", "dense")])
        elif name.startswith("sentence_embedding"):
            yield from self._vectors(name)

    def _look_ups(self, name: str) -> Iterator[Cause]:
        table, length = self.oracle.parameters[f"{name}.weight"], self.ours["input_ids"].shape[1]
        if "token_type" in name and len(table) > 1:
            yield "every token has type 1", np.broadcast_to(table[1], self.ours[name].shape)
        if "position" in name:
            for first in (0, 1, 2):
                if first + length <= len(table):
                    yield f"positions are counted from {first}", table[first : first + length][None]

    def _sums(self, name: str, x: FloatArray) -> Iterator[Cause]:
        if name.startswith("embeddings"):
            for kind in ("position", "token_type"):
                if (part := f"embeddings.{kind}_embeddings") in self.ours:
                    yield f"{kind} embeddings are not added", x - self.ours[part]
        else:
            dense = self.ours[name.replace("LayerNorm.input", "dense")]
            yield "the input of the sublayer is not added (residual connection)", dense

    def _layer_norms(self, name: str) -> Iterator[Cause]:
        x, parameters = self.ours[f"{name}.input"], self.oracle.parameters
        eps = self.oracle.model.config.layer_norm_eps
        for other in (1e-12, 1e-6, 1e-5, 1e-3):
            if other != eps:
                yield f"eps is {other:g}, not {eps:g}", encoder.layer_norm(x, parameters, name, other)
        yield "the layer norm is left out", x
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        normalized = (self.ours[name] - bias) / weight
        yield "weight and bias are left out", normalized
        yield "the bias is left out", normalized * weight
        n = x.shape[-1]
        yield (
            "the variance is divided by n - 1, not by n",
            normalized * math.sqrt((n - 1) / n) * weight + bias,
        )
        root = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
        yield "the mean is not subtracted", x / root * weight + bias

    def _linear(self, name: str, x: FloatArray) -> Iterator[Cause]:
        weight, bias = (self.oracle.parameters[f"{name}.{part}"] for part in ("weight", "bias"))
        yield "the bias is left out", x - bias
        if "attention" in name:  # the weights that are square
            yield "the weight is transposed", self._input(name) @ weight.T + bias

    def _input(self, name: str) -> FloatArray:
        """Return what goes into a linear layer of attention."""
        if name.endswith("output.dense"):
            return self.ours[name.replace("output.dense", "self.context_layer")]
        layer = int(name.split(".")[2])
        return self.ours[f"encoder.layer.{layer - 1}.output.LayerNorm" if layer else "embeddings.LayerNorm"]

    def _scores(self, x: FloatArray) -> Iterator[Cause]:
        config, parameters = self.oracle.model.config, self.oracle.parameters
        root, bias = math.sqrt(config.head_size), attention_bias(parameters, x.shape[-1])
        scaled = x - bias  # the bias is 0 in BERT
        yield "not divided by the root of the head width", scaled * root + bias
        yield "divided by the head width, not by its root", scaled / root + bias
        yield "divided by the root of the hidden width", scaled * root / math.sqrt(config.hidden_size) + bias
        if isinstance(bias, np.ndarray):
            yield "the bias of relative positions is not added", scaled
            yield (
                "the bias of relative positions is divided by the root of the head width",
                scaled + bias / root,
            )
            yield "relative positions are counted from the key to the query", scaled + bias.swapaxes(-1, -2)

    def _softmax(self, name: str) -> Iterator[Cause]:
        scores = self.ours[name.replace("probs", "scores")]
        is_key = self.ours["attention_mask"][:, None, None, :] != 0
        yield "masked keys have weight", softmax(scores)
        yield "masked keys are counted in the sum", softmax(scores) * is_key
        masked = np.where(is_key, scores, np.finfo(scores.dtype).min)
        yield (
            "softmax runs over the queries, not over the keys",
            softmax(masked.swapaxes(-1, -2)).swapaxes(-1, -2),
        )
        yield "softmax is left out", masked

    @staticmethod
    def _activations(x: FloatArray) -> Iterator[Cause]:
        yield "GELU is approximated by tanh", gelu_tanh(x)
        yield "GELU is exact (erf)", gelu(x)
        yield "GELU is approximated by x sigmoid(1.702 x)", x * sigmoid(1.702 * x)
        yield "ReLU is in its place", relu(x)
        yield "SiLU is in its place", x * sigmoid(x)
        yield "there is no activation function", x

    def _vectors(self, name: str) -> Iterator[Cause]:
        pooled = self.ours["sentence_embedding.pooled"]
        if name == "sentence_embedding":
            yield "the vector is not scaled to length 1", pooled
            yield "the vector is scaled to length 1", normalize(pooled)
            return
        states = self.ours[f"encoder.layer.{self.oracle.model.config.num_hidden_layers - 1}.output.LayerNorm"]
        mask: Int64Array = self.ours["attention_mask"]
        for mode, pool in POOLING.items():
            yield f"the pooling is {mode}", pool(states, mask)
        yield "padding is counted in the mean", POOLING["mean"](states, np.ones_like(mask))
        yield "the vector is scaled to length 1 already", normalize(pooled)
