"""Texts chosen to hurt: what goes into the golden outputs, in this order.

``minilm check`` sends most of them, too. Changing one means making the golden outputs again: ``make golden``.
"""

from __future__ import annotations

from minilm.check.texts import (
    CASE_AND_ACCENTS,
    EMOJI,
    INVISIBLE,
    LONG_WORDS,
    PLAIN,
    PUNCTUATION_AND_DIGITS,
    SCRIPTS,
    SHORT,
    SPECIAL_TOKENS,
    WEB_AND_CODE,
    of_length,
)

__all__ = ["MADE_TO_MEASURE", "PLAIN", "TEXTS", "WITH_HIDDEN_STATES", "of_length"]

MADE_TO_MEASURE = {tokens: of_length(tokens) for tokens in (3, 32, 128, 254, 255, 256, 257, 600)}

RANDOM_WORDS = [
    # no meaning, sharp attention: the largest attention scores were met on texts like these
    "zebra quantum of piano seventeen the glacier tax purple and under algorithm soup verb cathedral mitten",
    "if whale nine because concrete sparkle treaty oven left jazz molecule seldom ladder king through",
]

TEXTS: list[str] = [
    *PLAIN,
    *SHORT,
    *PUNCTUATION_AND_DIGITS,
    *CASE_AND_ACCENTS,
    *SCRIPTS,
    *EMOJI,
    *INVISIBLE,
    *SPECIAL_TOKENS,
    *WEB_AND_CODE,
    *LONG_WORDS,
    *MADE_TO_MEASURE.values(),
    *RANDOM_WORDS,
]

# Texts whose every hidden state is kept, layer by layer: by index into TEXTS.
WITH_HIDDEN_STATES = [
    TEXTS.index("A girl is styling her hair."),
    TEXTS.index("I love it 😍😍😍"),
    TEXTS.index(MADE_TO_MEASURE[32]),
]
