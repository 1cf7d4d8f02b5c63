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
    "float16": ({"rounding": "float16"}, {"float16"}),
    "bfloat16": ({"rounding": "bfloat16"}, {"bfloat16"}),
    "int8": ({"rounding": "int8 per tensor"}, {"int8 per tensor"}),
    "Q8_0": ({"rounding": "int8 in blocks"}, {"int8 in blocks"}),
}
