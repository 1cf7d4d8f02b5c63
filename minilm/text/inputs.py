"""What counts as text, and how a stream of it is taken in windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, TypeGuard

import numpy as np

# A window is long enough to find neighbours of like length in, and short enough that a corpus never has to
# fit in memory: a million characters are about 250,000 tokens.
WINDOW_TEXTS = 4096
WINDOW_CHARACTERS = 1 << 20


def as_texts(inputs: str | Iterable[str]) -> tuple[Iterable[str], bool]:
    """The inputs as an iterable of texts, and whether they were a single text.

    Raises
    ------
    TypeError
        If ``inputs`` is neither text nor something to iterate over in a defined order.
    """
    if isinstance(inputs, str):
        return [inputs], True
    if isinstance(inputs, np.ndarray) and inputs.ndim == 0:
        return [inputs.item()], True
    if isinstance(inputs, (bytes, bytearray, Mapping, Set)) or not isinstance(inputs, Iterable):
        hint = ": decode it first" if isinstance(inputs, (bytes, bytearray)) else ""
        raise TypeError(f"inputs must be a str or a sequence of str, not {type(inputs).__name__}{hint}")
    return inputs, False


def is_text(x: object) -> TypeGuard[str | Iterable[str]]:
    """Whether ``x`` is a text or a sequence of texts, going by its first element, and not of numbers."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "UT" or (x.dtype.kind == "O" and x.size > 0 and isinstance(x.flat[0], str))
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and isinstance(x[0], str)
    return isinstance(x, str)


def windows(texts: Iterable[Any]) -> Iterator[tuple[int, list[str]]]:
    """Windows of consecutive texts, each with the index of its first.

    Raises
    ------
    TypeError
        At the first element that is not a str; the message names its index and type.
    """
    window: list[str] = []
    characters = start = 0
    for index, given in enumerate(texts):
        if not isinstance(given, str):
            hint = ": decode it first" if isinstance(given, bytes) else ""
            raise TypeError(f"inputs[{index}] is {type(given).__name__}, not str{hint}")
        text = as_str(given)
        window.append(text)
        characters += len(text)
        if len(window) == WINDOW_TEXTS or characters >= WINDOW_CHARACTERS:
            yield start, window
            window, characters, start = [], 0, index + 1
    if window:
        yield start, window


def as_str(text: str) -> str:
    """The characters of a text, whatever a subclass of str (``numpy.str_``, an enum) says of itself."""
    return text if type(text) is str else str.__str__(text)


def is_encodable(text: str) -> bool:
    """Whether a text has a UTF-8 form: a lone surrogate has none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def check_encodable(texts: list[str], start: int) -> None:
    """Raise ValueError for the first text that has no UTF-8 form, naming its index from ``start``."""
    for index, text in enumerate(texts, start):
        check_text(f"inputs[{index}]", text)


def check_text(name: str, text: object) -> str:
    """``text`` as it is, if it is one.

    Raises
    ------
    TypeError
        If it is no str; the message has the name and the type.
    ValueError
        If it holds a lone surrogate, and so has no UTF-8 form; the message has the name and the position.
    """
    if not isinstance(text, str):
        hint = ": decode it first" if isinstance(text, bytes) else ""
        raise TypeError(f"{name} must be a str, not {type(text).__name__}{hint}")
    text = as_str(text)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds the lone surrogate {text[error.start]!r} at position {error.start}, "
            "which is no character: decode the text with errors='replace'"
        ) from None
    return text
