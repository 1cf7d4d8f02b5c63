"""The tokenizer classes of transformers: what each builds of a vocabulary, whatever else its file says.

BERT's WordPiece splits words into pieces of its vocabulary. RoBERTa's byte-level BPE merges the bytes of a
text, so no text has an unknown token. XLM-R's Unigram takes the likeliest pieces, with a space as "\u2581".
MPNet's is BERT's, with the special tokens of RoBERTa around a text.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tokenizers import Tokenizer as Backend
from tokenizers import normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece

from minilm.checkpoint.files import Fields, quoted

Names = Mapping[str, str]  # the special tokens: name to text


def _nothing(*_: object) -> None:
    """Leave a tokenizer as its file has it."""


class TokenizerClass(NamedTuple):
    """A tokenizer class of transformers: which model it builds, and its defaults."""

    model: type | None  # None: tokenizer.json is used as it is
    special_tokens: Mapping[str, Any] = {}  # by name: a text, or the fields of an AddedToken
    has_token_types: bool = False
    set_parts: Callable[[Backend, Fields, Names], None] = _nothing  # what comes before the model
    frame: Callable[[Backend, Fields, Names], Any] = _nothing  # the post-processor


def _set_bert_parts(backend: Backend, settings: Fields, names: Names) -> None:
    accents = "strip_accents"
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.boolean("tokenize_chinese_chars", default=True),
        strip_accents=settings.boolean(accents, default=True) if accents in settings.values else None,
        lowercase=settings.boolean("do_lower_case", default=True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model = backend.model
    model.unk_token, model.continuing_subword_prefix = names["unk_token"], "##"
    model.max_input_chars_per_word = 100


def _set_roberta_parts(backend: Backend, settings: Fields, names: Names) -> None:  # noqa: ARG001
    backend.normalizer = None
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=_prefix_space(settings))
    model = backend.model
    model.dropout, model.unk_token, model.fuse_unk, model.byte_fallback = None, None, False, False
    model.continuing_subword_prefix, model.end_of_word_suffix, model.ignore_merges = "", "", False


def _prefix_space(settings: Fields) -> bool:
    return settings.boolean("add_prefix_space", default=False)


def _set_xlm_roberta_parts(backend: Backend, settings: Fields, names: Names) -> None:
    if backend.model.token_to_id(unk_token := names["unk_token"]) != 3:
        raise settings.error(f"unk_token {quoted(unk_token)} must have the id 3 for XLMRobertaTokenizer")
    fields = json.loads(backend.normalizer.__getstate__()) if backend.normalizer else {}
    steps = fields.get("normalizers", [fields])
    charsmap = next(
        (step["precompiled_charsmap"] for step in steps if step.get("type") == "Precompiled"), None
    )
    backend.normalizer = None if charsmap is None else normalizers.Precompiled(b64decode(charsmap))
    scheme = "always" if settings.boolean("add_prefix_space", default=True) else "never"
    metaspace = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme=scheme)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])


def _bert_frame(backend: Backend, settings: Fields, names: Names) -> processors.TemplateProcessing:  # noqa: ARG001
    """[CLS] A [SEP], and [CLS] A [SEP] B [SEP] with the type 1 from B on."""
    first, last = names["cls_token"], names["sep_token"]
    single, pair = [f"{first}:0", "$A:0", f"{last}:0"], ["$B:1", f"{last}:1"]
    return _template(backend, single, pair, first, last)


def _xlm_roberta_frame(backend: Backend, settings: Fields, names: Names) -> processors.TemplateProcessing:  # noqa: ARG001
    """<s> A </s>, and <s> A </s></s> B </s>."""
    first, last = names["bos_token"], names["eos_token"]
    return _template(backend, [first, "$A", last], [last, "$B", last], first, last)


def _template(
    backend: Backend, single: list[str], pair: list[str], *tokens: str
) -> processors.TemplateProcessing:
    ids = [(token, backend.token_to_id(token)) for token in dict.fromkeys(tokens)]
    return processors.TemplateProcessing(single=single, pair=[*single, *pair], special_tokens=ids)


def _roberta_frame(backend: Backend, settings: Fields, names: Names) -> processors.RobertaProcessing:
    """<s> A </s>, and <s> A </s></s> B </s>. A space before a word is left out of the word's place."""
    trims = settings.boolean("trim_offsets", default=True)
    return _roberta_processing(backend, names, trim_offsets=trims, add_prefix_space=_prefix_space(settings))


def _mpnet_frame(backend: Backend, settings: Fields, names: Names) -> processors.RobertaProcessing:  # noqa: ARG001
    return _roberta_processing(backend, names, trim_offsets=True, add_prefix_space=False)


def _roberta_processing(backend: Backend, names: Names, **options: bool) -> processors.RobertaProcessing:
    ids = backend.get_vocab(with_added_tokens=True)
    first, last = names["cls_token"], names["sep_token"]
    return processors.RobertaProcessing((last, ids[last]), (first, ids[first]), **options)


_ANGLED = (
    dict.fromkeys(("bos_token", "cls_token"), "<s>")
    | dict.fromkeys(("eos_token", "sep_token"), "</s>")
    | {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
)
_BERT = TokenizerClass(
    WordPiece,
    {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
    has_token_types=True,
    set_parts=_set_bert_parts,
    frame=_bert_frame,
)
TOKENIZER_CLASSES = {
    "BertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "MobileBertTokenizer": _BERT,
    "ConvBertTokenizer": _BERT,
    "DistilBertTokenizer": _BERT._replace(has_token_types=False),
    "MPNetTokenizer": TokenizerClass(
        WordPiece, {**_ANGLED, "unk_token": "[UNK]"}, set_parts=_set_bert_parts, frame=_mpnet_frame
    ),
    "RobertaTokenizer": TokenizerClass(BPE, _ANGLED, set_parts=_set_roberta_parts, frame=_roberta_frame),
    "XLMRobertaTokenizer": TokenizerClass(
        Unigram, _ANGLED, set_parts=_set_xlm_roberta_parts, frame=_xlm_roberta_frame
    ),
    "PreTrainedTokenizerFast": TokenizerClass(None),
    "TokenizersBackend": TokenizerClass(None),
}
"""The tokenizer classes that are supported, also with "Fast" at the end of their names."""

# What transformers takes for a family if neither tokenizer_config.json nor config.json names a class.
_DEFAULTS = {
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "mpnet": "MPNetTokenizer",
}


def tokenizer_class(settings: Fields, bert: Fields) -> TokenizerClass:
    """The class that ``tokenizer_config.json`` names, or else ``config.json``, or the family's."""
    for fields in (settings, bert):
        if (name := fields.values.get("tokenizer_class")) is not None:
            known = TOKENIZER_CLASSES.get(name) if isinstance(name, str) else None
            known = known or TOKENIZER_CLASSES.get(str(name).removesuffix("Fast"))
            if known is None:
                remedy = 'if tokenizer.json is complete, "PreTrainedTokenizerFast" takes it as it is'
                choices = ", ".join(TOKENIZER_CLASSES)
                raise fields.error(
                    f"tokenizer_class {quoted(name)} is not supported, only {choices} are; {remedy}"
                )
            return known
    return TOKENIZER_CLASSES[_DEFAULTS.get(bert.values.get("model_type", ""), "BertTokenizer")]
