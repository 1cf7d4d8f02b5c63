"""What follows the encoder in a checkpoint: pooling, Dense modules, scaling to length 1.

all-MiniLM-L6-v2 has no Dense modules (a linear layer and an activation each, ``dense.py``): its head is the
mean and the scaling.

Shapes: N texts of equal length, L tokens a text, E hidden width, or the width that a Dense module gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from minilm.checkpoint.heads import Dense
from minilm.config import ModelConfig
from minilm.pooling import POOLING, Pooling
from minilm.pooling import normalize as scale_to_one

Array = npt.NDArray[np.float32]


class EmbeddingHead:
    """From hidden states to embeddings, as a checkpoint's modules say, or with another pooling.

    Parameters
    ----------
    config : ModelConfig
    dense : list of Dense
        In the order in which they are applied.
    """

    def __init__(self, config: ModelConfig, dense: list[Dense]) -> None:
        self._hidden_size = config.hidden_size
        self._pooling = config.pooling
        self._dense = dense

    @property
    def has_dense(self) -> bool:
        """Whether there are Dense modules between pooling and scaling."""
        return bool(self._dense)

    def width(self, pooling: Pooling | Sequence[Pooling] | None = None) -> int:
        """Components of an embedding, by the checkpoint's pooling or by another."""
        if pooling is None and self._dense:
            return self._dense[-1].weight.shape[1]
        modes = self._pooling if pooling is None else pooling
        return self._hidden_size * (1 if isinstance(modes, str) else len(modes))

    def embedder(
        self, pooling: Pooling | Sequence[Pooling] | None = None, *, normalize: bool
    ) -> Callable[[Array], Array]:
        """What makes embeddings (N, E) of hidden states (N, L, E).

        Parameters
        ----------
        pooling : str or sequence of str, optional
            None is as the checkpoint says.
        normalize : bool
            Scale each embedding to length 1.

        Raises
        ------
        ValueError
            If there is no such pooling, or the checkpoint's Dense module was made for its own.
        """
        if pooling is not None and self._dense:
            raise ValueError("pooling cannot be chosen: this checkpoint has a Dense module made for its own")
        modes = self._pooling if pooling is None else pooling
        modes = (modes,) if isinstance(modes, str) else tuple(modes)
        for mode in modes or ("",):
            if mode not in POOLING:
                raise ValueError(f"pooling must be one of {', '.join(POOLING)}, not {mode!r}")

        def embed(hidden_states: Array) -> Array:
            no_padding = np.ones(hidden_states.shape[:2], dtype=np.int64)  # (N, L): the lengths are equal
            pooled = [POOLING[mode](hidden_states, no_padding) for mode in modes]  # modes x (N, E)
            embeddings = cast(Array, pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1))
            for dense in self._dense:
                embeddings = dense(embeddings)
            # a copy: cls pooling shows the hidden states themselves, and the next pack is written over them
            return cast(Array, scale_to_one(embeddings) if normalize else embeddings.copy())

        return embed
