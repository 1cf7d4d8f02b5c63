"""An explanation of a score as text for a terminal: words shaded by their share, and the strongest pairs."""

from __future__ import annotations

import numpy as np

from minilm.cli.terminal import printable
from minilm.explanation import Explanation
from minilm.text.spans import TextSpans

STRONGEST = 8

# Four steps of blue for what adds to the score, and one of orange for what takes from it: xterm's 256
# colours, each with the black or white that can be read on it.
_STEPS = ("38;5;16;48;5;195", "38;5;16;48;5;153", "38;5;231;48;5;33", "38;5;231;48;5;21")
_NEGATIVE = "38;5;16;48;5;215"


def explanation_text(explanation: Explanation, *, in_colour: bool) -> str:
    """Lines to print: both texts with the share of every word, then the pairs of tokens that add most.

    Parameters
    ----------
    explanation : Explanation
        What :meth:`MiniLM.explain` returns.
    in_colour : bool
        Shade each word by its share, with ANSI escapes; without it the shares stand beside the words only.
    """
    lines: list[str] = []
    for side, shares in zip((explanation.a, explanation.b), explanation.word_shares(), strict=True):
        lines += ["", _shaded(side, shares, in_colour)]
        if side.is_truncated:
            lines.append(f"(only the first {len(side.tokens)} tokens of this text count)")
        lines.append(f"[CLS] and [SEP]: {explanation.contributions.sum() - shares.sum():+.3f}")
    lines += ["", "Strongest pairs of tokens:"]
    matrix = explanation.contributions
    for flat in np.argsort(-np.abs(matrix), axis=None, kind="stable")[:STRONGEST]:
        i, j = np.unravel_index(flat, matrix.shape)
        pair = printable(f"{explanation.a.tokens[i].token} x {explanation.b.tokens[j].token}")
        lines.append(f"{matrix[i, j]:+.4f}  {pair}")
    lines.append(f"Sum of all {matrix.size:,} pairs: {matrix.sum():.4f}")
    return "\n".join(lines[1:])


def _shaded(
    side: TextSpans, shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]], in_colour: bool
) -> str:
    largest = max(np.abs(shares).max(initial=0.0), 1e-12)
    parts, position = [], 0
    for word, share in zip(side.words, shares, strict=True):
        parts.append(printable(side.text[position : word.start]))
        text = printable(side.text[word.start : word.end])
        if in_colour:
            step = min(int(len(_STEPS) * share / largest), len(_STEPS) - 1)
            parts.append(f"\x1b[{_NEGATIVE if share < 0 else _STEPS[step]}m{text}\x1b[0m")
        else:
            parts.append(f"{text} ({share:+.3f})")
        position = word.end
    if not side.is_truncated:
        parts.append(printable(side.text[position:]))
    return "".join(parts)
