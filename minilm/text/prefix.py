"""How much of a long text the tokenizer must read when only the first tokens are kept.

Ten million characters cost the tokenizer seconds and gigabytes, though 256 tokens are kept of them. BERT's
tokenizer looks at one word at a time, so a text may be cut at the end of a word. The tokens of the prefix are
then the first tokens of the whole text. The cut comes after a character ``c`` that is an ASCII space, an
ASCII punctuation mark, a common Chinese character or one of two ideographic marks, and that no added token
contains. Why the cut changes nothing, step by step:

1. Added tokens (``[CLS]`` ...) are found in the unchanged text. None contains ``c``, so none spans the cut.
2. Cleaning, spaces around Chinese characters, lower case and the removal of accents take one character at a
   time, and keep ``c``.
3. Decomposition (NFD) may reorder combining marks, but never across a character that is not one, such as
   ``c``. It leaves ``c`` itself as it is. [1]_
4. Words end at white space, and every punctuation mark and every Chinese character is a word of its own. So
   the words before the cut do not depend on what follows.
5. WordPiece takes one word at a time.

For the same reasons the tokens of the text after the cut are the rest of the whole text's tokens.

A tokenizer that does anything else is given the whole text.

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

_WORD_ENDS = "\t\n\r !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u3001\u3002"
# The block of Unicode 1.1, which no library takes for unassigned characters and removes.
_CHINESE = "\u4e00-\u9fa5"

# A prefix has this many characters for each token that is kept. If it turns out to have too few tokens, it is
# extended to _GROWTH times its length. English has five characters per token, most scripts fewer.
CHARACTERS_PER_TOKEN = 16
_GROWTH = 4
_PART = 1 << 16  # characters per piece when a text is read in pieces


class PrefixCutter:
    """Cuts texts for one tokenizer without a change in their first tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._word_end = _word_end(tokenizer)

    def initial(self, text: str, tokens: int) -> str:
        """The prefix to try first when this many tokens are kept."""
        return self.cut(text, CHARACTERS_PER_TOKEN * tokens)

    def extend(self, text: str, prefix: str) -> str:
        """The prefix to try next when ``prefix`` had too few tokens."""
        return self.cut(text, _GROWTH * len(prefix))

    def cut(self, text: str, size: int) -> str:
        """The first ``size`` characters of a text, and more up to the next end of a word.

        If that would be more than half of the text, it is the whole text. So all prefixes that are tried one
        after the other are together no longer than 5/3 of the text.
        """
        if self._word_end is None or size > len(text) // 2:
            return text
        end = self._word_end.search(text, size - 1, len(text) // 2)
        if end is None:
            return text
        if not text.isascii():
            text.encode()  # raises for a lone surrogate in the part that is cut off
        return text[: end.end()]

    def parts(self, text: str) -> Iterator[str]:
        """The text in pieces whose tokens, one after the other, are the tokens of the whole."""
        start = 0
        while self._word_end and (end := self._word_end.search(text, start + _PART)):
            yield text[start : end.end()]
            start = end.end()
        yield text[start:]


def _word_end(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Return a pattern of the characters that may end a prefix; None if the tokenizer is not BERT's."""
    added = tokenizer.get_added_tokens_decoder().values()
    steps = _steps(_fields_of(tokenizer.normalizer))
    is_bert = (
        [step["type"] for step in steps if step["type"] != "Lowercase"] == ["BertNormalizer"]
        and _fields_of(tokenizer.pre_tokenizer).get("type") == "BertPreTokenizer"
        and isinstance(tokenizer.model, WordPiece)
        # an added token may depend on its surroundings, or be looked for after the text was changed
        and not any(t.single_word or t.lstrip or t.rstrip or t.normalized for t in added)
    )
    if not is_bert:
        return None
    in_added_tokens = {character for token in added for character in token.content}
    characters = "".join(re.escape(c) for c in _WORD_ENDS if c not in in_added_tokens)
    is_chinese_split = any(step.get("handle_chinese_chars") for step in steps)
    if is_chinese_split and not any(re.match(f"[{_CHINESE}]", c) for c in in_added_tokens):
        characters += _CHINESE
    return re.compile(f"[{characters}]") if characters else None


def _fields_of(part: Any) -> dict[str, Any]:  # noqa: ANN401 - a normalizer, a pre-tokenizer or None
    """Return a part of a tokenizer as its ``tokenizer.json`` has it; the whole file would take 20 ms."""
    return {} if part is None else dict(json.loads(part.__getstate__()))


def _steps(normalizer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a normalizer in their order; sequences of normalizers are flattened."""
    if normalizer.get("type") == "Sequence":
        return [step for inner in normalizer["normalizers"] for step in _steps(inner)]
    return [normalizer] if normalizer else []
