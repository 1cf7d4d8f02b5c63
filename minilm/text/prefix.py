"""How much of a long text the tokenizer must see, when all but the first tokens are thrown away.

Ten million characters cost the tokenizer seconds and gigabytes, though 256 tokens are kept of them. BERT's
tokenizer looks at no more than a word at a time, so that a text may be cut at the end of one: the tokens of
the beginning are then the first tokens of the whole. Why that is so, step by step, of a cut after a character
``c`` that is an ASCII space, an ASCII punctuation mark, a common Chinese character or one of two ideographic
marks, and stands in none of the added tokens:

1. Added tokens (``[CLS]`` ...) are found in the text as it is. None holds ``c``, so none spans the cut.
2. Cleaning, the spaces around Chinese characters, lower case and the removal of accents take one character at
   a time, and keep ``c``.
3. Decomposition (NFD) may reorder combining marks, but never across a character that is none, as ``c``; and
   it leaves ``c`` itself as it is. [1]_
4. Words end at white space, and every punctuation mark and every Chinese character is a word of its own. So
   the words before the cut are the same with and without what follows.
5. WordPiece takes one word at a time.

For the same reasons the tokens of what follows the cut are the rest of the whole text's tokens.

A tokenizer that does anything else is given all of the text.

References
----------
.. [1] Unicode Standard Annex 15, "Unicode Normalization Forms", https://www.unicode.org/reports/tr15/,
   sections on concatenation and on stable code points.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

_SPACES = "\t\n\r "
_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u3001\u3002"
# The block of Unicode 1.1, which no library takes for unassigned characters and removes.
_CHINESE = "\u4e00-\u9fa5"

# A text is cut to so many characters for each token that is kept, and when those are too few tokens to fill
# it, to so many times more. English has five characters a token, most scripts fewer.
_CHARACTERS_PER_TOKEN = 16
_GROWTH = 4

_PART = 1 << 16  # characters of a text that is read in pieces


class Beginnings:
    """Where texts may be cut for one tokenizer, without a change in their first tokens.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._ends = _ends(tokenizer)

    def first(self, text: str, tokens: int) -> str:
        """As much of a text as to try first, when so many tokens are kept."""
        return self.cut(text, _CHARACTERS_PER_TOKEN * tokens)

    def longer(self, text: str, beginning: str) -> str:
        """As much of it as to try when ``beginning`` had too few tokens."""
        return self.cut(text, _GROWTH * len(beginning))

    def cut(self, text: str, size: int) -> str:
        """The first ``size`` characters of a text, and more up to the next end of a word.

        The whole text, if that would be more than half of it: so all the beginnings that are tried one after
        the other are together no longer than 5/3 of the text.

        Raises
        ------
        UnicodeEncodeError
            If a text that is cut holds a lone surrogate anywhere: what is cut off is looked at as well.
        """
        if self._ends is None or size > len(text) // 2:
            return text
        end = self._ends.search(text, size - 1, len(text) // 2)
        if end is None:
            return text
        if not text.isascii():
            text.encode()
        return text[: end.end()]

    def parts(self, text: str) -> Iterator[str]:
        """The text in pieces whose tokens, one after the other, are the tokens of the whole."""
        start = 0
        while self._ends and (end := self._ends.search(text, start + _PART)):
            yield text[start : end.end()]
            start = end.end()
        yield text[start:]


def _ends(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """One character after which texts may be cut; None if the tokenizer is not BERT's."""
    added = tokenizer.get_added_tokens_decoder().values()
    steps = _steps(_described(tokenizer.normalizer))
    is_bert = (
        [step["type"] for step in steps if step["type"] != "Lowercase"] == ["BertNormalizer"]
        and _described(tokenizer.pre_tokenizer).get("type") == "BertPreTokenizer"
        and isinstance(tokenizer.model, WordPiece)
        # an added token may depend on its surroundings, or be looked for after the text was changed
        and not any(t.single_word or t.lstrip or t.rstrip or t.normalized for t in added)
    )
    if not is_bert:
        return None
    taken = {character for token in added for character in token.content}
    characters = "".join(re.escape(c) for c in _SPACES + _MARKS if c not in taken)
    is_chinese_apart = any(step.get("handle_chinese_chars") for step in steps)
    if is_chinese_apart and not any(re.match(f"[{_CHINESE}]", c) for c in taken):
        characters += _CHINESE
    return re.compile(f"[{characters}]") if characters else None


def _described(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a normalizer, a pre-tokenizer or None
    """A part of a tokenizer as its ``tokenizer.json`` has it; the whole, with its vocabulary, takes 20 ms."""
    return {} if part is None else dict(json.loads(part.__getstate__()))


def _steps(normalizer: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a normalizer, in their order, out of any sequences they stand in."""
    if normalizer.get("type") == "Sequence":
        return [step for inner in normalizer["normalizers"] for step in _steps(inner)]
    return [normalizer] if normalizer else []
