"""From hidden states to results: an embedding, token vectors, or a classifier's logits.

all-MiniLM-L6-v2's head is the mean of the token vectors, scaled to length 1. Other checkpoints have another
pooling, and Dense modules (a linear layer and an activation function each) between pooling and scaling.

Shapes: N texts of equal length, L tokens per text, E hidden width, or the width that a Dense module gives.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy as np

from minilm._arguments import unknown_name
from minilm._arrays import AnyArray, Float32Array, FloatArray, as_array, as_tensor, no_float_errors
from minilm.activations import Activation
from minilm.encoder import layer_norm, linear
from minilm.errors import CheckpointError
from minilm.explanation import Explanation, explain_score
from minilm.pooling import POOLING, Pooling, normalize
from minilm.quantization import PRECISIONS
from minilm.text.spans import TextSpans

OutputValue = Literal["sentence_embedding", "token_embeddings"]
Embed = Callable[[Float32Array], Float32Array]  # hidden states (N, L, E) to embeddings (N, E)
Features = dict[str, Any]  # everything about one text: encode(output_value=None)


class Tokenized(Protocol):
    """The tokens of some texts, as the tokenizer gives them."""

    @property
    def input_ids(self) -> Sequence[Sequence[int]]:
        """Ids of each text."""

    @property
    def token_type_ids(self) -> Sequence[Sequence[int]] | None:
        """Types of each text's tokens; None if all are 0."""


_TORCH_EPS = 1e-5  # torch.nn.LayerNorm's default; the module has no setting for it


class Dense(NamedTuple):
    """``activation(x @ weight + bias)``: the Dense module of sentence-transformers, as in LaBSE."""

    weight: Float32Array  # (in, out)
    bias: Float32Array  # (out,)
    activation: Callable[[Float32Array], Float32Array]
    path: str  # for error messages

    def __call__(self, embeddings: Float32Array) -> Float32Array:
        """Embeddings (N, in) to (N, out)."""
        with np.errstate(all="ignore"):  # a result that is not finite is an error below
            result = np.asarray(self.activation(embeddings @ self.weight + self.bias), embeddings.dtype)
        if not np.isfinite(result).all():
            raise CheckpointError(f"{self.path} is damaged: its weights are finite, but its output is not")
        return result


class LayerNormStep(NamedTuple):
    """A layer norm over embeddings: the LayerNorm module of sentence-transformers."""

    weight: Float32Array  # (E,)
    bias: Float32Array  # (E,)

    def __call__(self, embeddings: Float32Array) -> Float32Array:
        """Embeddings (N, E) to (N, E)."""
        parameters = {"norm.weight": self.weight, "norm.bias": self.bias}
        return cast(Float32Array, layer_norm(embeddings, parameters, "norm", _TORCH_EPS))


Step = Dense | LayerNormStep | Callable[[Any], Any]  # a module after pooling: (N, in) to (N, out)


@dataclass(frozen=True, eq=False)
class EmbeddingHead:
    """From hidden states to embeddings, as a checkpoint's modules say, or with another pooling."""

    hidden_size: int  # E
    pooling: tuple[Pooling, ...]  # the results of several are concatenated
    dense: Sequence[Step] = ()  # modules after pooling, in the order in which they are applied

    def width(self, pooling: Pooling | Sequence[Pooling] | None = None) -> int:
        """Components of an embedding, by the checkpoint's pooling or by another."""
        widths = [step.weight.shape[1] for step in self.dense if isinstance(step, Dense)]
        if pooling is None and widths:
            return widths[-1]
        return self.hidden_size * len(self._modes(pooling))

    def embedder(
        self,
        pooling: Pooling | Sequence[Pooling] | None = None,
        normalize_first: bool = False,
        truncate_dim: int | None = None,
        normalize_last: bool = False,
    ) -> Embed:
        """Return the function that makes embeddings (N, E) of hidden states (N, L, E).

        It pools, applies the Dense modules, scales to length 1 with ``normalize_first``, keeps the first
        ``truncate_dim`` components, and scales them to length 1 with ``normalize_last``.
        """
        modes = self._modes(pooling)

        def embed(hidden_states: Float32Array) -> Float32Array:
            no_padding = np.ones(hidden_states.shape[:2], dtype=np.int64)  # (N, L): the lengths are equal
            pooled = [POOLING[mode](hidden_states, no_padding) for mode in modes]  # modes x (N, E)
            embeddings = cast(Float32Array, pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1))
            for dense in self.dense:
                embeddings = dense(embeddings)
            # a copy: cls pooling returns a view of the hidden states, which the next pack overwrites
            embeddings = cast(Float32Array, normalize(embeddings) if normalize_first else embeddings.copy())
            embeddings = embeddings[:, :truncate_dim]
            return cast(Float32Array, normalize(embeddings)) if normalize_last else embeddings

        return embed

    def explain(self, spans: Sequence[TextSpans], hidden_states: Sequence[Float32Array]) -> Explanation:
        """Say why two texts have the score they have, from the hidden states (L, E) of each."""
        if self.dense:
            raise ValueError(
                "explain cannot split the score: this checkpoint has a Dense module after pooling"
            )
        embed = self.embedder(normalize_first=True)
        embeddings = [embed(tokens[None])[0] for tokens in hidden_states]
        return explain_score(spans, hidden_states, embeddings, self.pooling)

    def _modes(self, pooling: Pooling | Sequence[Pooling] | None) -> tuple[Pooling, ...]:
        if pooling is None:
            return self.pooling
        if self.dense:
            raise ValueError("pooling cannot be chosen: this checkpoint has a Dense module made for its own")
        modes = (pooling,) if isinstance(pooling, str) else tuple(pooling)
        for mode in modes or ("",):
            if not isinstance(mode, str) or mode not in POOLING:
                raise unknown_name("pooling", mode, POOLING)
        return modes


@dataclass(frozen=True, eq=False)
class ClassificationHead:
    """From hidden states to the logits of BertForSequenceClassification, or of a neighbour's class.

    The pooler, a linear layer and tanh over the vector of ``[CLS]``, is in BERT's code and not in its paper
    (Devlin et al. 2019, https://arxiv.org/abs/1810.04805). The linear layer after it is W of its section 4.1.
    The neighbours have the same two layers under other names; DistilBERT has ReLU in the place of tanh.
    """

    pooler_weight: Float32Array  # (E, E)
    pooler_bias: Float32Array  # (E,)
    weight: Float32Array  # (E, labels)
    bias: Float32Array  # (labels,)
    activation: Activation = np.tanh  # between the two

    @no_float_errors
    def logits(self, hidden_states: Float32Array) -> Float32Array:
        """Hidden states (N, L, E) to logits (N, labels)."""
        pooled = self.activation(hidden_states[:, 0] @ self.pooler_weight + self.pooler_bias)  # (N, E)
        return np.asarray(pooled @ self.weight + self.bias)  # (N, labels)


@dataclass(frozen=True, eq=False)
class SpladeHead:
    """From hidden states to a weight for each word of the vocabulary: SPLADE.

    The head that BERT was trained with guesses a masked word: it gives each token a score for each word of
    the vocabulary. The weight of a word is log(1 + relu(score)), and the largest of all tokens counts
    (Formal et al. 2021, "SPLADE v2", https://arxiv.org/abs/2109.10086, equation 6; the sum is equation 1).
    Most weights are 0.
    """

    parameters: Mapping[str, Float32Array]  # "dense" (E, E) and "norm" (E,), each a weight and a bias
    decoder: Float32Array  # (E, V), the word embeddings once more
    bias: Float32Array  # (V,)
    activation: Activation
    eps: float
    pooling: str = "max"  # or "sum"
    logarithms: int = 1

    @no_float_errors
    def weights(self, hidden_states: Float32Array) -> Float32Array:
        """Hidden states (N, L, E) to weights (N, V)."""
        x = self.activation(linear(hidden_states, self.parameters, "dense"))  # (N, L, E)
        x = layer_norm(x, self.parameters, "norm", self.eps)  # (N, L, E)
        return np.stack([self._pooled(tokens) for tokens in x])  # one text at a time: V is large

    def _pooled(self, tokens: FloatArray) -> Float32Array:
        """Vectors of one text's tokens (L, E) to weights (V,)."""
        scores = np.maximum(tokens @ self.decoder + self.bias, 0)  # (L, V)
        scores = scores.max(axis=0, keepdims=True) if self.pooling == "max" else scores  # log1p grows
        for _ in range(self.logarithms):
            scores = np.log1p(scores)
        return np.asarray(scores.sum(axis=0), np.float32)


@dataclass(frozen=True, eq=False)
class TokenHead:
    """From hidden states to one vector per token: the head of ColBERT.

    Each hidden state is projected to a few components without an activation function, and scaled to length 1.
    Of a document, the vectors of punctuation are left out (Khattab and Zaharia 2020, section 3.2). A
    checkpoint may have other modules than these, or none.
    """

    hidden_size: int  # E
    steps: Sequence[Step] = ()  # Dense and normalize, in the order in which they are applied
    skipped_ids: tuple[int, ...] = ()  # tokens that are left out, such as punctuation
    skipped_tasks: frozenset[str] = frozenset({"document"})  # of which kinds of texts
    kept_ids: tuple[int, ...] = ()  # of documents only these tokens, if there are any

    @property
    def width(self) -> int:
        """Components of a vector."""
        widths = [step.weight.shape[1] for step in self.steps if isinstance(step, Dense)]
        return widths[-1] if widths else self.hidden_size

    @no_float_errors
    def vectors(self, hidden_states: Float32Array) -> list[Float32Array]:
        """Hidden states (N, L, E) to the vectors (L, width) of each of N texts."""
        for step in self.steps:
            hidden_states = step(hidden_states)
        return token_vectors(hidden_states)

    def counted(self, input_ids: Sequence[int], task: str | None) -> AnyArray:
        """Which tokens of a text keep their vectors, (L,) of bool; without a task it is a document."""
        ids = np.asarray(input_ids)  # (L,)
        counts = np.ones(len(ids), bool)
        if (task or "document") in self.skipped_tasks:
            counts &= ~np.isin(ids, self.skipped_ids)
        if task != "query" and self.kept_ids:
            counts &= np.isin(ids, self.kept_ids)
        return counts


def check_activation(activation_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a caller's activation function, if it is one."""
    if not callable(activation_fn):
        raise TypeError(f"activation_fn must be a function of logits, not {activation_fn!r:.80}")
    return activation_fn


def activated(activation_fn: Callable[..., Any] | None, logits: Float32Array) -> AnyArray:
    """Scores (n, ...) of logits (n, labels): the logits for None. What is torch's takes tensors."""
    if activation_fn is None:
        return logits
    owners = (check_activation(activation_fn), *type(activation_fn).__mro__)
    modules = [getattr(owner, "__module__", None) or "" for owner in owners]
    if any(module.partition(".")[0] == "torch" for module in modules):
        return as_array(activation_fn(as_tensor(logits)))
    try:
        return np.asarray(activation_fn(logits))
    except (TypeError, AttributeError):  # a function of a caller that calls torch
        if "torch" not in sys.modules:
            raise
    return as_array(activation_fn(as_tensor(logits)))


def token_vectors(hidden_states: Float32Array) -> list[Float32Array]:
    """Copies of the hidden states (L, E) of each of N texts, out of the buffer (N, L, E) that holds them."""
    return [tokens.copy() for tokens in hidden_states]


def features(
    tokenized: Tokenized,
    hidden_states: Sequence[Float32Array],
    embed: Embed,
    prompt_length: int | None = None,
    has_token_types: bool = True,
) -> list[Features]:
    """Everything about each of some texts, under sentence-transformers' names."""
    types = tokenized.token_type_ids or [[0] * len(ids) for ids in tokenized.input_ids]
    prompt = {} if prompt_length is None else {"prompt_length": prompt_length}
    return [
        {
            "input_ids": np.array(ids, dtype=np.int64),  # (L,)
            **({"token_type_ids": np.array(row, dtype=np.int64)} if has_token_types else {}),
            "attention_mask": np.ones(len(ids), dtype=np.int64),
            "modality": "text",
            **prompt,
            "token_embeddings": tokens,
            "sentence_embedding": embed(tokens[None])[0],
        }
        for ids, row, tokens in zip(tokenized.input_ids, types, hidden_states, strict=True)
    ]


def check_output(
    output_value: object, precision: object, pooling: object, normalize_embeddings: bool
) -> None:
    """Raise a ValueError for arguments of encode that are unknown, or that have no meaning together."""
    if precision is not None and precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if output_value not in ("sentence_embedding", "token_embeddings", None):
        raise ValueError(
            f"output_value must be 'sentence_embedding', 'token_embeddings' or None, not {output_value!r}"
        )
    if output_value is None and precision not in (None, "float32"):
        raise ValueError("precision has no meaning for output_value None")
    if output_value == "token_embeddings" and (pooling is not None or normalize_embeddings):
        raise ValueError("pooling and normalize_embeddings have no meaning for token_embeddings")
