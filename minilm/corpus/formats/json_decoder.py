"""JSON as RFC 8259 has it, and no value changed: what a double or an object cannot hold is a problem."""

from __future__ import annotations

import json
import math
import re
from typing import Any


class StrictDecoder:
    """The standard library's decoder, which notes where it would change a value or take what is not JSON.

    Each call returns the value and the first problem in it, or None.
    """

    def __init__(self) -> None:
        self._problem: str | None = None
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def decode(self, text: str) -> tuple[Any, str | None]:
        """Decode a text that is one value."""
        self._problem = None
        return self._decoder.decode(text), self._problem

    def decode_at(self, text: str, start: int) -> tuple[Any, str | None, int]:
        """Decode the value that begins at ``start``; the third result is where it ends."""
        self._problem = None
        value, end = self._decoder.raw_decode(text, start)
        return value, self._problem, end

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            for key, value in pairs:
                if repr(value) != repr(result[key]):  # 1 equals True and 1.0, and is another value
                    self._note(f"the key {key!r} is there twice, with different values")
        return result

    def _float(self, digits: str) -> float:
        number = float(digits)
        is_too_small = number == 0 and re.search("[1-9]", re.split("[eE]", digits)[0])
        if math.isinf(number) or is_too_small:
            self._note(f"the number {_shortened(digits)} does not fit a double")
        return number

    def _int(self, digits: str) -> int:
        try:
            return int(digits)
        except ValueError:  # Python reads 4,300 digits
            self._note(f"the number {_shortened(digits)} has too many digits")
            return 0

    def _constant(self, name: str) -> None:
        self._note(f"not JSON ({name})")


def _shortened(digits: str) -> str:
    return digits if len(digits) <= 30 else f"{digits[:30]}..."
