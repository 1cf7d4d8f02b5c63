"""What counts as text: checks of callers' inputs, with errors that name the input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeGuard

import numpy as np


def as_texts(inputs: Any) -> tuple[Iterable[Any], bool]:  # noqa: ANN401 - whatever a caller gives
    """Return the inputs as an iterable of texts, and whether they were a single text."""
    if isinstance(inputs, str):
        return [inputs], True
    if isinstance(inputs, np.ndarray) and inputs.ndim == 0:
        return [inputs.item()], True
    return check_iterable("inputs", inputs, "a str or a sequence of str"), False


def check_iterable(name: str, inputs: Any, expected: str) -> Iterable[Any]:  # noqa: ANN401 - as above
    """Return ``inputs`` if it has several items in a defined order, and is not itself a text."""
    if isinstance(inputs, (str, bytes, bytearray, Mapping, Set)) or not isinstance(inputs, Iterable):
        raise TypeError(f"{name} must be {expected}, not {type(inputs).__name__}{_decode_hint(inputs)}")
    return inputs


def is_text(x: object) -> TypeGuard[str | Iterable[str]]:
    """Whether ``x`` is a text or a sequence of texts; of a sequence, only the first element is checked."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "UT" or (x.dtype.kind == "O" and x.size > 0 and isinstance(x.flat[0], str))
    if isinstance(x, (list, tuple)):
        return len(x) > 0 and isinstance(x[0], str)
    return isinstance(x, str)


def item_text(index: int, item: object) -> str:
    """Return the item ``index`` of some inputs as a plain str."""
    if not isinstance(item, str):
        raise TypeError(f"inputs[{index}] is {type(item).__name__}, not str{_decode_hint(item)}")
    return str.__str__(item)  # a plain str, also of a subclass (numpy.str_, an enum)


def is_encodable(text: str) -> bool:
    """Whether a text has a UTF-8 form: a lone surrogate has none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def check_encodable(texts: Sequence[str], start: int) -> None:
    """Raise ValueError for the first text that has no UTF-8 form, naming its index from ``start``."""
    for index, text in enumerate(texts, start):
        check_text(f"inputs[{index}]", text)


def check_text(name: str, text: object) -> str:
    """Return ``text`` unchanged if it is a text with a UTF-8 form."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {type(text).__name__}{_decode_hint(text)}")
    text = str.__str__(text)  # as in item_text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds the lone surrogate {text[error.start]!r} at position {error.start}, "
            "which is not a character: decode the text with errors='replace'"
        ) from None
    return text


def _decode_hint(value: object) -> str:
    return ": decode it first" if isinstance(value, (bytes, bytearray)) else ""
