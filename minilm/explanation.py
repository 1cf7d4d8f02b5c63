"""Why two texts have the score they have: their cosine as an exact sum over pairs of tokens.

An embedding is a sum of one vector per token: mean pooling adds the token vectors divided by their number.
The dot product of two sums is the sum of all dot products. So every pair of tokens, one from each text, has a
share in the score, and nothing is left over. The shares do not say why a token has the vector it has: through
attention, each token has read all the others of its text.

Shapes: M and N tokens of the two texts, E hidden width (of one text: N tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilm._arrays import Float64Array, FloatArray, no_float_errors
from minilm.pooling import token_weights
from minilm.text.spans import TextSpans


@dataclass(frozen=True, eq=False)
class Explanation:
    """A score and where it comes from.

    Attributes
    ----------
    score : float
        Cosine of the two embeddings.
    a, b : TextSpans
        The texts, of M and N tokens.
    contributions : ndarray of float64, shape (M, N)
        What each pair of tokens adds to the score; a negative number reduces it. Their sum is the score, up
        to the rounding of the float32 embeddings (1e-6).
    """

    score: float
    a: TextSpans
    b: TextSpans
    contributions: Float64Array

    @no_float_errors
    def word_shares(self) -> tuple[Float64Array, Float64Array]:
        """What each word of ``a`` and each of ``b`` adds to the score. Special tokens have the rest.

        Returns
        -------
        tuple of two ndarray of float64, shapes (words of a,) and (words of b,)
        """
        by_token = self.contributions.sum(axis=1), self.contributions.sum(axis=0)  # (M,), (N,)
        of_a, of_b = (
            np.array([shares[word.tokens.start : word.tokens.stop].sum() for word in side.words])
            for side, shares in zip((self.a, self.b), by_token, strict=True)
        )
        return of_a, of_b

    @no_float_errors
    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, as the command line and the HTTP service write them to JSON."""
        sides = {}
        for name, side, shares in zip("ab", (self.a, self.b), self.word_shares(), strict=True):
            special = [index for index, token in enumerate(side.tokens) if token.is_special]
            sides[name] = {
                "tokens": [token._asdict() for token in side.tokens],
                "words": [
                    {"start": word.start, "end": word.end, "share": float(share)}
                    for word, share in zip(side.words, shares, strict=True)
                ],
                "special_share": float(self.contributions.take(special, axis=0 if name == "a" else 1).sum()),
                "is_truncated": side.is_truncated,
            }
        return {**sides, "contributions": self.contributions.tolist()}


@no_float_errors
def explain_score(
    texts: Sequence[TextSpans],
    hidden_states: Sequence[FloatArray],
    embeddings: Sequence[FloatArray],
    pooling: Sequence[str],
) -> Explanation:
    """Why two texts have the score they have.

    ``hidden_states`` are their token vectors (M, E) and (N, E) from the last layer. ``embeddings`` (E,) are
    what ``pooling`` alone makes of them, scaled to length 1.
    """
    a, b = texts
    first, second = (np.asarray(embedding, np.float64) for embedding in embeddings)  # (E,), (E,)
    parts_a, parts_b = (token_parts(tokens, pooling) for tokens in hidden_states)  # (M, E), (N, E)
    # the pooled embeddings' lengths, as pooling.normalize takes them
    lengths = [max(float(np.linalg.norm(parts.sum(axis=0))), 1e-12) for parts in (parts_a, parts_b)]
    contributions = parts_a @ parts_b.T / (lengths[0] * lengths[1])  # (M, N)
    return Explanation(float(first @ second), a, b, contributions)


@no_float_errors
def token_parts(hidden_states: FloatArray, pooling: Sequence[str]) -> Float64Array:
    """What each token of a text adds to its pooled embedding: (N, E) -> (N, E), whose rows sum to it.

    Mean pooling takes an equal part of each token, and cls pooling the whole first token. Max pooling takes
    each component from the token with the largest value (the first of equals). The parts of several poolings
    are concatenated, as the poolings are.
    """
    tokens = hidden_states.astype(np.float64)  # (N, E)
    return np.concatenate([tokens * token_weights(tokens, mode) for mode in pooling], axis=1)
