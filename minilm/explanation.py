"""Why two texts have the score they have: a cosine as an exact sum over pairs of their tokens.

An embedding is a sum of one vector a token (mean pooling adds the token vectors divided by their number), and
the dot product of two sums is the sum of all dot products. So every pair of tokens, one of each text, has a
share in the score, and nothing is left over. What the shares do not say is why a token has the vector it has:
through attention each has read all the others of its text.

Shapes: M and N tokens of the two texts, E hidden width (of one text: N tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Token(NamedTuple):
    """A token and the characters it stands for.

    ``start`` and ``end`` count Unicode code points, as Python's slices do; a token that the model itself puts
    around a text (``[CLS]``, ``[SEP]``) is special and stands for none.
    """

    token: str
    start: int
    end: int
    is_special: bool


class Word(NamedTuple):
    """A word: the characters ``start`` to ``end`` of its text, and the text's tokens that are its pieces."""

    start: int
    end: int
    tokens: range


@dataclass(frozen=True)
class ExplainedText:
    """One of the two texts, as the encoder saw it."""

    text: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    is_truncated: bool


@dataclass(frozen=True, eq=False)
class Explanation:
    """A score and where it comes from.

    Attributes
    ----------
    score : float
        Cosine of the two embeddings.
    a, b : ExplainedText
        The texts, of M and N tokens.
    contributions : ndarray of float64, shape (M, N)
        What each pair of tokens adds to the score (less than 0: takes from it). Their sum is the score, to
        the rounding of the float32 embeddings (1e-6).
    """

    score: float
    a: ExplainedText
    b: ExplainedText
    contributions: npt.NDArray[np.float64]

    def word_shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """What each word of ``a`` and each of ``b`` adds to the score; special tokens have the rest.

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

    def as_dict(self) -> dict[str, Any]:
        """The same as plain lists and numbers, as the command line and the HTTP service write it to JSON."""
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


def explain_score(
    texts: Sequence[ExplainedText],
    hidden_states: Sequence[Array],
    embeddings: Sequence[Array],
    pooling: str | Sequence[str],
) -> Explanation:
    """Why two texts have the score they have.

    Parameters
    ----------
    texts : sequence of two ExplainedText
    hidden_states : sequence of two ndarray, shapes (M, E) and (N, E)
        Each text's token vectors, as the last layer leaves them.
    embeddings : sequence of two ndarray, shape (E,)
        What the model makes of them, scaled to length 1; nothing but ``pooling`` may come before that.
    pooling : str or sequence of str
        How the model makes one vector of a text's.
    """
    a, b = texts
    first, second = (np.asarray(embedding, np.float64) for embedding in embeddings)  # (E,), (E,)
    parts_a, parts_b = (token_parts(tokens, pooling) for tokens in hidden_states)  # (M, E), (N, E)
    return Explanation(float(first @ second), a, b, contributions(parts_a, parts_b))


def token_parts(hidden_states: Array, pooling: str | Sequence[str]) -> npt.NDArray[np.float64]:
    """What each token of a text adds to its pooled embedding: (N, E) -> (N, E), whose rows sum to it.

    Mean pooling takes an equal part of each token, cls the first whole, and max each component from the token
    that has the largest (the first of equals). Of several poolings the parts stand side by side.

    Examples
    --------
    >>> token_parts(np.array([[1.0, 5.0], [3.0, 4.0]]), "max")
    array([[0., 5.],
           [3., 0.]])
    """
    if not isinstance(pooling, str):
        return np.concatenate([token_parts(hidden_states, mode) for mode in pooling], axis=1)
    tokens = hidden_states.astype(np.float64)  # (N, E)
    number = np.arange(1, len(tokens) + 1)[:, None]  # (N, 1): 1, 2, 3, ...
    weights: dict[str, Any] = {  # of each token, as in pooling.py: (), (N, 1) or (N, E)
        "mean": 1 / len(tokens),
        "cls": number == 1,
        "max": number == 1 + tokens.argmax(axis=0),
        "mean_sqrt_len_tokens": 1 / np.sqrt(len(tokens)),
        "weightedmean": number / number.sum(),
        "lasttoken": number == len(tokens),
    }
    return np.asarray(tokens * weights[pooling])


def contributions(parts_a: Array, parts_b: Array) -> npt.NDArray[np.float64]:
    """What each pair of tokens adds to the cosine of the two texts: (M, E), (N, E) -> (M, N)."""
    # the pooled embeddings' lengths, as pooling.normalize takes them
    lengths = [max(float(np.linalg.norm(parts.sum(axis=0))), 1e-12) for parts in (parts_a, parts_b)]
    return np.asarray(parts_a @ parts_b.T / (lengths[0] * lengths[1]), dtype=np.float64)


def words_of(word_ids: Sequence[int | None], tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Words from the number of the word that each token belongs to; special tokens belong to none."""
    words: list[Word] = []
    previous: int | None = None
    for index, (number, token) in enumerate(zip(word_ids, tokens, strict=True)):
        if number is not None and not token.is_special:
            if number == previous:
                words[-1] = Word(words[-1].start, token.end, range(words[-1].tokens.start, index + 1))
            else:
                words.append(Word(token.start, token.end, range(index, index + 1)))
        previous = number
    return tuple(words)
