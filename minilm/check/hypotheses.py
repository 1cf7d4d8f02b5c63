"""Everything that another implementation is known to do differently, one entry each, with its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from minilm.check.recipe import Recipe
from minilm.check.rounding import ROUNDINGS
from minilm.check.variants import Variants


@dataclass(frozen=True)
class Hypothesis:
    """One change of a recipe, what it is called, and what the owner of the implementation can do."""

    name: str
    finding: str
    remedy: str
    changes: Mapping[str, Any]
    is_slow: bool = False  # tried on a few texts, and only if nothing else explains the vectors

    def applied(self, recipe: Recipe) -> Recipe | None:
        """Return the recipe with this change; None if it has another value there already."""
        base = Recipe()
        if any(recipe.value(name) != base.value(name) for name in self.changes):
            return None
        return recipe.changed(**self.changes)


def _one(name: str, finding: str, remedy: str, *, is_slow: bool = False, **changes: Any) -> Hypothesis:  # noqa: ANN401
    return Hypothesis(name, finding, remedy, MappingProxyType(changes), is_slow)


_POOL = "use the pooling that the checkpoint's 1_Pooling/config.json names"
_TOKENIZER = "let the tokenizer follow the checkpoint's tokenizer.json: "
_SPECIAL = "add the checkpoint's special tokens around every text"
_MASK = "pass the attention mask to the encoder, and leave padding out of the mean"

NETWORK = (
    _one("cls", "takes the vector of [CLS] in place of the checkpoint's pooling", _POOL, pooling="cls"),
    _one("mean", "takes the mean of all tokens in place of the checkpoint's pooling", _POOL, pooling="mean"),
    _one("max", "takes the largest value of each component (max pooling)", _POOL, pooling="max"),
    _one("pooler", "takes BERT's pooler output, a layer over [CLS] for classifiers", _POOL, pooling="pooler"),
    _one("last token", "takes the vector of the last token", _POOL, pooling="lasttoken"),
    _one("weighted mean", "weighs later tokens more in the mean", _POOL, pooling="weightedmean"),
    _one("content", "leaves [CLS] and [SEP] out of the mean", _POOL, pooling="content"),
    _one(
        "gelu tanh",
        "approximates GELU by tanh",
        'compute GELU with erf (hidden_act "gelu", in GGML and PyTorch the exact one)',
        hidden_act="gelu_new",
    ),
    _one("gelu erf", "computes GELU by erf", "use the tanh form, which hidden_act names", hidden_act="gelu"),
    _one("relu", "uses ReLU as activation function", "use the one that hidden_act names", hidden_act="relu"),
    _one(
        "token type 1",
        "gives every token the type 1",
        "token_type_ids of a single text are all 0",
        token_type=1,
    ),
    _one("position 1", "counts positions from 1", "the first token has position 0", position_offset=1),
    _one(
        "position 2",
        "counts positions from 2, as RoBERTa does",
        "the first has position 0",
        position_offset=2,
    ),
    _one(
        "no position", "adds no position embeddings", "add one row per position, from 0", has_positions=False
    ),
    _one(
        "no scale",
        "does not scale attention scores",
        "divide them by the root of the head width",
        is_scaled=False,
    ),
    _one(
        "eps 1e-5",
        "adds 1e-5 in layer norms",
        "use layer_norm_eps of config.json; 1e-5 is the default of torch",
        layer_norm_eps=1e-5,
    ),
    _one("eps 1e-3", "adds 1e-3 in layer norms", "use layer_norm_eps of config.json", layer_norm_eps=1e-3),
    _one("layer less", "leaves out the last layer", "take the output of the last layer", fewer_layers=1),
    _one(
        "against",
        "has the weights of the checkpoint given by --against",
        "load the other one",
        checkpoint="against",
    ),
)

_PREFIXES = (
    "query: ",
    "passage: ",
    "search_query: ",
    "search_document: ",
    "clustering: ",
    "Represent this sentence for searching relevant passages: ",
    "Represent this sentence: ",
)

TEXT = (
    _one("no CLS and SEP", "adds neither [CLS] nor [SEP]", _SPECIAL, before=False, after=False),
    _one("no SEP", "does not add [SEP]", _SPECIAL, after=False),
    _one("no CLS", "does not add [CLS]", _SPECIAL, before=False),
    *(
        _one(
            f"prefix {prefix.strip()}",
            f"puts {prefix!r} before every text",
            "send texts as they are",
            prefix=prefix,
        )
        for prefix in _PREFIXES
    ),
    _one(
        "case kept",
        "does not lower the case of texts",
        _TOKENIZER + "its normalizer has lowercase true",
        lowercase=False,
    ),
    _one("lower case", "lowers the case of texts", _TOKENIZER + "this model is cased", lowercase=True),
    _one("accents kept", "keeps accents", _TOKENIZER + "its normalizer removes them", strip_accents=False),
    _one("accents removed", "removes accents", _TOKENIZER + "its normalizer keeps them", strip_accents=True),
    _one(
        "control characters kept",
        "keeps control and zero-width characters",
        _TOKENIZER + "clean_text removes them",
        clean_text=False,
    ),
    _one(
        "Chinese not split",
        "does not split Chinese characters",
        _TOKENIZER + "each of them is a word (handle_chinese_chars)",
        handle_chinese_chars=False,
    ),
    _one("NFC", "composes characters first (NFC)", _TOKENIZER + "it has no such step", unicode_form="NFC"),
    _one(
        "NFKC",
        "replaces compatible characters (NFKC)",
        _TOKENIZER + "it has no such step",
        unicode_form="NFKC",
    ),
    _one(
        "white space only",
        "splits words at white space only",
        _TOKENIZER + "punctuation is a word of its own",
        words="white space",
    ),
    _one(
        "long words in pieces",
        "cuts words of more than 100 characters into pieces",
        _TOKENIZER + "such a word is one [UNK] (max_input_chars_per_word)",
        max_word=1_000_000,
    ),
    _one(
        "special tokens as text",
        'reads "[MASK]" and the like as plain text',
        _TOKENIZER + "its added_tokens are found in a text",
        has_marks=False,
    ),
    *(
        _one(
            f"length {length}",
            f"cuts at {length} tokens",
            "set the length that you want on both sides (here --max-seq-length)",
            max_seq_length=length,
        )
        for length in (128, 512, 256, 64, 100, 126, 130, 192, 200, 254, 258, 384, 500, 510, 511)
    ),
    _one("cut on the left", "cuts long texts on the left", "keep the beginning", truncation_side="left"),
    _one("cut SEP", "cuts off [SEP] with the end of a long text", "leave room for it", after_cut=False),
    *(
        _one(
            f"length {length} without SEP",
            f"cuts at {length} tokens after [SEP] was added, which is lost",
            "cut before the special tokens are added, and set the length that you want on both sides",
            max_seq_length=length,
            after_cut=False,
        )
        for length in (128, 512, 256)
    ),
)

PADDING = {
    "both": "pays attention to padding, and counts it in the mean",
    "counted": "counts padding in the mean",
    "attended": "pays attention to padding",
}
FIXED = tuple(
    _one(
        f"padded to {length}, {kind}",
        f"pads to {length} tokens and {words}",
        _MASK,
        is_slow=True,
        padding=kind,
        pad_to=length,
    )
    for length in (128, 256, 512)
    for kind, words in PADDING.items()
)
BATCH = {
    kind: _one(f"padding {kind}", f"{words}: a vector changes with the texts beside it", _MASK, padding=kind)
    for kind, words in PADDING.items()
}
ROUNDED = tuple(
    _one(name, words, "none needed, if the error is small enough", rounding=name)
    for name, (_, words, _) in ROUNDINGS.items()
)


def possible(
    hypotheses: tuple[Hypothesis, ...], recipe: Recipe, variants: Variants
) -> list[tuple[Hypothesis, Recipe]]:
    """Return the hypotheses that change this recipe, with the recipes that they make of it."""
    made = [(one, one.applied(recipe)) for one in hypotheses]
    return [(one, new) for one, new in made if new is not None and new != recipe and variants.can(new)]
