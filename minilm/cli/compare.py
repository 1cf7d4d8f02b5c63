"""``minilm compare``: the similarity of two texts, and what each word adds to it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from minilm._arrays import FloatArray
from minilm.cli.errors import Failure, UsageError, argument_errors, option_errors
from minilm.cli.options import add_model_options, load_model, say_truncated
from minilm.cli.terminal import is_coloured, printable, put, put_json, text_argument
from minilm.explanation import Explanation
from minilm.model import MiniLM
from minilm.pooling import normalize
from minilm.similarity import dot_score
from minilm.text.spans import TextSpans

STRONGEST_PAIRS = 8

# Four steps of blue for words that add to the score, and one orange for words that reduce it. They are
# colours of xterm's palette of 256, each with the black or white text that is readable on it.
_STEPS = ("38;5;16;48;5;195", "38;5;16;48;5;153", "38;5;231;48;5;33", "38;5;231;48;5;21")
_NEGATIVE = "38;5;16;48;5;215"


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm compare``."""
    add = parser.add_argument
    add("text_a", type=text_argument, metavar="TEXT_A", help="the first text")
    add("text_b", type=text_argument, metavar="TEXT_B", help="the second text")
    add("--json", action="store_true", help="print all digits and the numbers of tokens, as JSON")
    add("--explain", action="store_true", help="print what each word adds to the score")
    add_model_options(parser)


def run_compare(options: argparse.Namespace) -> None:
    """Run ``minilm compare``."""
    texts = [options.text_a, options.text_b]
    if not all(text.strip() for text in texts):
        raise UsageError("Please enter text to compare.")  # in the words of the page
    model = load_model(options)
    if options.explain:
        with argument_errors(Failure, {"a": "TEXT_A", "b": "TEXT_B"}), option_errors("explain"):
            explanation = model.explain(*texts)
        sides = (explanation.a, explanation.b)
        score, tokens = explanation.score, [len(side.tokens) for side in sides]
        say_truncated(model, sum(side.is_truncated for side in sides), 2)
    else:
        explanation = None
        with argument_errors(Failure, {"inputs[0]": "TEXT_A", "inputs[1]": "TEXT_B"}):
            score, tokens = _score(model, texts)
    if options.json:
        report = {"score": score, "tokens": tokens, "max_seq_length": model.max_seq_length}
        put_json({**report, "explanation": explanation.as_dict()} if explanation else report)
    else:
        put(f"Score: {score:.4f}")
        if explanation:
            put(explanation_text(explanation, in_colour=is_coloured()))


def _score(model: MiniLM, texts: Sequence[str]) -> tuple[float, list[int]]:
    """Return the cosine of two texts and the number of tokens of each."""
    features = model.encode(texts, output_value=None)
    embeddings = np.stack([text["sentence_embedding"] for text in features])  # (2, E)
    if not model.normalize:
        embeddings = normalize(embeddings)
    # The page multiplied float32 vectors in double precision, and so does this command.
    score = dot_score(*embeddings.astype(np.float64)).item()
    return score, [len(text["input_ids"]) for text in features]


def explanation_text(explanation: Explanation, *, in_colour: bool) -> str:
    """Return both texts with each word's share, as a shade or a number, and the strongest pairs of tokens."""
    lines: list[str] = []
    for side, shares in zip((explanation.a, explanation.b), explanation.word_shares(), strict=True):
        lines += ["", _shaded(side, shares, in_colour)]
        if side.is_truncated:
            lines.append(f"(only the first {len(side.tokens)} tokens of this text count)")
        lines.append(f"[CLS] and [SEP]: {explanation.contributions.sum() - shares.sum():+.3f}")
    lines += ["", "Strongest pairs of tokens:"]
    matrix = explanation.contributions  # (M, N)
    for flat in np.argsort(-np.abs(matrix), axis=None, kind="stable")[:STRONGEST_PAIRS]:
        i, j = np.unravel_index(flat, matrix.shape)
        pair = printable(f"{explanation.a.tokens[i].token} x {explanation.b.tokens[j].token}")
        lines.append(f"{matrix[i, j]:+.4f}  {pair}")
    lines.append(f"Sum of all {matrix.size:,} pairs: {matrix.sum():.4f}")
    return "\n".join(lines[1:])


def _shaded(side: TextSpans, shares: FloatArray, in_colour: bool) -> str:
    """Return one text with its words shaded, or with their shares beside them."""
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
