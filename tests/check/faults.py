"""Faults to seed into minilm's own encoder, singly and in pairs, and by what names they must be found."""

from __future__ import annotations

from typing import Any

Changes = dict[str, Any]

# name of the case: the changes, and the findings that they must give
FAULTS: dict[str, tuple[Changes, set[str]]] = {
    "cls": ({"pooling": "cls"}, {"cls"}),
    "max": ({"pooling": "max"}, {"max"}),
    "pooler": ({"pooling": "pooler"}, {"pooler"}),
    "last token": ({"pooling": "lasttoken"}, {"last token"}),
    "content": ({"pooling": "content"}, {"content"}),
    "gelu tanh": ({"hidden_act": "gelu_new"}, {"gelu tanh"}),
    "relu": ({"hidden_act": "relu"}, {"relu"}),
    "token type 1": ({"token_type": 1}, {"token type 1"}),
    "position 2": ({"position_offset": 2}, {"position 2"}),
    "no position": ({"has_positions": False}, {"no position"}),
    "no scale": ({"is_scaled": False}, {"no scale"}),
    "eps 1e-5": ({"layer_norm_eps": 1e-5}, {"eps 1e-5"}),
    "layer less": ({"fewer_layers": 1}, {"layer less"}),
    "no SEP": ({"after": False}, {"no SEP"}),
    "no CLS and SEP": ({"before": False, "after": False}, {"no CLS and SEP"}),
    "prefix": ({"prefix": "query: "}, {"prefix query:"}),
    "case": ({"lowercase": False}, {"case kept"}),
    "accents": ({"strip_accents": False}, {"accents kept"}),
    "control": ({"clean_text": False}, {"control characters kept"}),
    "Chinese": ({"handle_chinese_chars": False}, {"Chinese not split"}),
    "punctuation": ({"words": "white space"}, {"white space only"}),
    "long words": ({"max_word": 10**6}, {"long words in pieces"}),
    "marks": ({"has_marks": False}, {"special tokens as text"}),
    "128": ({"max_seq_length": 128}, {"length 128"}),
    "512": ({"max_seq_length": 512}, {"length 512"}),
    "left": ({"truncation_side": "left"}, {"cut on the left"}),
    "cut SEP": ({"after_cut": False}, {"cut SEP"}),
    "cls, gelu tanh": ({"pooling": "cls", "hidden_act": "gelu_new"}, {"cls", "gelu tanh"}),
    "512, case": ({"max_seq_length": 512, "lowercase": False}, {"length 512", "case kept"}),
    "no SEP, 128": ({"after": False, "max_seq_length": 128}, {"no SEP", "length 128"}),
    "512, cut SEP": ({"max_seq_length": 512, "after_cut": False}, {"length 512 without SEP"}),
    "prefix, max": ({"prefix": "passage: ", "pooling": "max"}, {"prefix passage:", "max"}),
    "position 1, type 1": ({"position_offset": 1, "token_type": 1}, {"position 1", "token type 1"}),
    "cls, int8": ({"pooling": "cls", "rounding": "int8 per row"}, {"cls", "int8 per row"}),
    "512, float16": ({"max_seq_length": 512, "rounding": "float16"}, {"length 512", "float16"}),
    "gelu tanh, bfloat16": ({"hidden_act": "gelu_new", "rounding": "bfloat16"}, {"gelu tanh", "bfloat16"}),
    "weighted mean": ({"pooling": "weightedmean"}, {"weighted mean"}),
    "no CLS": ({"before": False}, {"no CLS"}),
    "eps 1e-3": ({"layer_norm_eps": 1e-3}, {"eps 1e-3"}),
    "NFKC": ({"unicode_form": "NFKC"}, {"NFKC"}),
    "64": ({"max_seq_length": 64}, {"length 64"}),
    "510": ({"max_seq_length": 510}, {"length 510"}),
    "position 1": ({"position_offset": 1}, {"position 1"}),
    "128, cut SEP": ({"max_seq_length": 128, "after_cut": False}, {"length 128 without SEP"}),
    "uint8": ({"rounding": "uint8 per tensor"}, {"uint8 per tensor"}),
    "int7": ({"rounding": "int7 per tensor"}, {"int7 per tensor"}),
    "float16": ({"rounding": "float16"}, {"float16"}),
    "bfloat16": ({"rounding": "bfloat16"}, {"bfloat16"}),
    "int8": ({"rounding": "int8 per tensor"}, {"int8 per tensor"}),
    "Q8_0": ({"rounding": "int8 in blocks"}, {"int8 in blocks"}),
    "search query": ({"prefix": "search_query: "}, {"prefix search_query:"}),
    "search document": ({"prefix": "search_document: "}, {"prefix search_document:"}),
    "clustering": ({"prefix": "clustering: "}, {"prefix clustering:"}),
    "instruction of BGE": (
        {"prefix": "Represent this sentence for searching relevant passages: "},
        {"prefix Represent this sentence for searching relevant passages:"},
    ),
    "instruction": ({"prefix": "Represent this sentence: "}, {"prefix Represent this sentence:"}),
    "100": ({"max_seq_length": 100}, {"length 100"}),
    "126": ({"max_seq_length": 126}, {"length 126"}),
    "130": ({"max_seq_length": 130}, {"length 130"}),
    "192": ({"max_seq_length": 192}, {"length 192"}),
    "200": ({"max_seq_length": 200}, {"length 200"}),
    "254": ({"max_seq_length": 254}, {"length 254"}),
    "258": ({"max_seq_length": 258}, {"length 258"}),
    "384": ({"max_seq_length": 384}, {"length 384"}),
    "500": ({"max_seq_length": 500}, {"length 500"}),
    "511": ({"max_seq_length": 511}, {"length 511"}),
    "384, clustering": (
        {"max_seq_length": 384, "prefix": "clustering: "},
        {"length 384", "prefix clustering:"},
    ),
}

# The same for the checkpoint of tests/check/other.py, with all texts: all-MiniLM-L6-v2 has some of these as
# its own settings, padding takes it 20 s and more, and the 40 quick texts do not show NFC.
OTHER_FAULTS: dict[str, tuple[Changes, set[str]]] = {
    "mean": ({"pooling": "mean"}, {"mean"}),
    "gelu erf": ({"hidden_act": "gelu"}, {"gelu erf"}),
    "other weights": ({"checkpoint": "against"}, {"against"}),
    "lower case": ({"lowercase": True}, {"lower case"}),
    "no accents": ({"strip_accents": True}, {"accents removed"}),
    "NFC": ({"unicode_form": "NFC"}, {"NFC"}),
    "256": ({"max_seq_length": 256}, {"length 256"}),
    "256, cut SEP": ({"max_seq_length": 256, "after_cut": False}, {"length 256 without SEP"}),
    "mean, gelu erf": ({"pooling": "mean", "hidden_act": "gelu"}, {"mean", "gelu erf"}),
    "lower case, 256": ({"lowercase": True, "max_seq_length": 256}, {"lower case", "length 256"}),
    **{
        f"{length} padded, {kind}": ({"padding": kind, "pad_to": length}, {f"padded to {length}, {kind}"})
        for length in (128, 256, 512)
        for kind in ("both", "counted", "attended")
    },
}

# what is done with the padding of a batch, and the finding that it must give
BATCH_FAULTS = {"both": "padding both", "counted": "padding counted", "attended": "padding attended"}
