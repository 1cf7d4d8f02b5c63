"""What counts as text: checks of callers' inputs, with errors that name the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, TypeGuard, cast

import numpy as np


def as_texts(inputs: Any) -> tuple[Iterable[Any], bool]:  # noqa: ANN401 - whatever a caller gives
    """Return the inputs as an iterable of texts, and whether they were a single text."""
    if isinstance(inputs, str):
        return [inputs], True
    if isinstance(inputs, np.ndarray):
        if inputs.ndim == 0:
            return [inputs.item()], True
        if inputs.shape[1:] == (2,):  # pairs
            return inputs.tolist(), False
    return check_iterable("inputs", inputs, "a str or a sequence of str"), False


def check_iterable(name: str, inputs: Any, expected: str) -> Iterable[Any]:  # noqa: ANN401 - as above
    """Return ``inputs`` if it has several items in a defined order, and is not itself a text."""
    refuse_table(name, inputs)
    if hasattr(inputs, "to_pylist"):  # a column of pyarrow
        return list(inputs.to_pylist())
    if isinstance(inputs, (str, bytes, bytearray, Mapping, Set)) or not isinstance(inputs, Iterable):
        raise TypeError(f"{name} must be {expected}, not {type(inputs).__name__}{_decode_hint(inputs)}")
    return inputs


def refuse_table(name: str, inputs: Any) -> None:  # noqa: ANN401 - as above
    """Raise a TypeError for a table of any library: to iterate over one yields its columns."""
    kind = type(inputs)
    if hasattr(kind, "columns") or hasattr(kind, "column_names"):
        module = kind.__module__.partition(".")[0]
        raise TypeError(
            f"{name} is a {kind.__name__} of {module}, a table: pass df['text'], one of its columns "
            "(for pairs of texts: df[['query', 'document']].values)"
        )


def is_missing(item: object) -> bool:
    """Whether an item stands for a missing value: None, NaN, and the NA and NaT of pandas, or masked."""
    is_nan = isinstance(item, (float, np.floating, np.datetime64)) and item != item  # noqa: PLR0124 - NaN is not itself
    return item is None or is_nan or type(item).__name__ in ("NAType", "NaTType", "MaskedConstant")


def is_text(x: Any) -> TypeGuard[str | Iterable[str]]:  # noqa: ANN401 - as above
    """Whether ``x`` is a text or several; of several, only the first that is not missing is checked."""
    if isinstance(x, str):
        return True
    if isinstance(x, np.ndarray) and x.dtype.kind in "UT":
        return True
    if (
        isinstance(x, (bytes, Mapping, Set, Iterator))
        or not isinstance(x, Iterable)
        or hasattr(type(x), "columns")
    ):
        return False
    items = (item.as_py() if hasattr(item, "as_py") else item for item in getattr(x, "flat", x))  # of pyarrow
    return isinstance(next((item for item in items if not is_missing(item)), None), str)


def item_text(index: int, item: object) -> str:
    """Return the item ``index`` of some inputs as a plain str."""
    if not isinstance(item, str):
        raise not_text(f"inputs[{index}]", item)
    return str.__str__(item)  # a plain str, also of a subclass (numpy.str_, an enum)


def item_text_or_pair(index: int, item: object) -> str | tuple[str, str]:
    """Return the item ``index`` of some inputs as a plain str, or as a pair of them if it is a pair."""
    return _checked_pair(index, item) if _is_pair(item) else item_text(index, item)


def as_pairs(inputs: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - whatever a caller gives
    """Return the inputs as pairs of plain str, each checked."""
    pairs = []
    for index, item in enumerate(check_iterable("inputs", inputs, "a pair of str or a sequence of them")):
        pair = item.tolist() if isinstance(item, np.ndarray) else item
        if is_missing(pair):
            raise not_text(f"inputs[{index}]", pair)
        if not _is_pair(pair):
            raise TypeError(f"inputs[{index}] must be a pair of str, not {pair!r:.80}")
        pairs.append(_checked_pair(index, pair))
    return pairs


def _is_pair(item: object) -> bool:
    """Whether an item is two texts; one of them may be missing, which is an error of its own."""
    is_two = isinstance(item, (list, tuple)) and len(item) == 2
    return is_two and all(isinstance(side, str) or is_missing(side) for side in cast(Sequence[Any], item))


def _checked_pair(index: int, pair: Any) -> tuple[str, str]:  # noqa: ANN401 - two of anything
    first, second = (check_text(f"inputs[{index}][{side}]", text) for side, text in enumerate(pair))
    return first, second


def not_text(name: str, item: object) -> TypeError:
    """Return the error for an item that is no text."""
    if is_missing(item):
        text = "NaN" if isinstance(item, (float, np.floating)) else str(item)
        return TypeError(f"{name} is missing ({text}): leave it out, or put a text in its place")
    return TypeError(f"{name} is {type(item).__name__}, not str{_decode_hint(item)}")


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
        if is_missing(text):
            raise not_text(name, text)
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
