"""A recipe: every choice that an implementation makes between a text and its vector.

A field that is None, or has its default, is as the checkpoint says. A hypothesis changes one field or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TextRecipe:
    """From a text to token ids."""

    prefix: str = ""  # what goes before every text
    lowercase: bool | None = None
    strip_accents: bool | None = None
    clean_text: bool | None = None  # remove control characters, and take every white space for a space
    handle_chinese_chars: bool | None = None  # each Chinese character is a word
    unicode_form: str | None = None  # a normal form that is applied first
    words: str | None = None  # "white space": punctuation does not end a word
    max_word: int | None = None  # longer words are [UNK]
    has_marks: bool = True  # "[MASK]" in a text is the special token
    max_seq_length: int | None = None
    truncation_side: str | None = None
    before: bool = True  # whether [CLS] goes before the tokens
    after: bool = True  # whether [SEP] goes after them
    after_cut: bool = True  # whether it goes after the tokens of a text that was cut


@dataclass(frozen=True)
class NetworkRecipe:
    """From token ids to a vector, before it is normalized."""

    checkpoint: str = ""  # another one, by its name
    rounding: str | None = None  # of the weights: a key of minilm.check.rounding.ROUNDINGS
    hidden_act: str | None = None
    layer_norm_eps: float | None = None
    fewer_layers: int = 0  # layers at the end that are left out
    position_offset: int = 0
    has_positions: bool = True
    token_type: int = 0
    is_scaled: bool = True  # attention scores are divided by the root of the head width
    pooling: str | None = None
    padding: str | None = None  # "attended", "counted" (in the mean) or "both", in spite of the mask
    pad_to: int = 0  # tokens


@dataclass(frozen=True)
class Recipe:
    """From a text to a vector."""

    text: TextRecipe = TextRecipe()
    network: NetworkRecipe = NetworkRecipe()

    def changed(self, **changes: Any) -> Recipe:  # noqa: ANN401 - a value for any field
        """Return a recipe that is the same but for these fields."""
        fields = {"text": vars(self.text) | {}, "network": vars(self.network) | {}}
        for name, value in changes.items():
            fields["text" if name in fields["text"] else "network"][name] = value
        return Recipe(TextRecipe(**fields["text"]), NetworkRecipe(**fields["network"]))

    def value(self, name: str) -> Any:  # noqa: ANN401 - as above
        """Return the value of a field."""
        return getattr(self.text if hasattr(self.text, name) else self.network, name)
