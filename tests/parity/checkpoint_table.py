"""Every changed checkpoint that minilm was tried on beside the original: see ``checkpoint_variants.py``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.checkpoint_variants import (
    LFS,
    NEW,
    WIDTH,
    WORDS,
    Change,
    Variant,
    as_torch,
    bert,
    both,
    decoder_with,
    delete,
    edit,
    entries,
    in_folder,
    module_config,
    modules,
    more,
    old_vocabulary,
    part,
    plain,
    pooling,
    prefixed,
    renamed,
    sbert,
    settings,
    sharded,
    tensors,
    tok,
    token,
    without,
    write,
    write_file,
    xlm_roberta,
)

V = Variant

SIZE = len(WORDS) + 4  # vocab_size
NEW_MODULES = "sentence_transformers.sentence_transformer.modules."
BASE_MODULES = "sentence_transformers.base.modules."
CODE = "custom_module."

CONFIG = [
    V("as saved", both()),
    *(
        V(f"config without {name}", without(name))
        for name in (
            "layer_norm_eps",
            "type_vocab_size",
            "hidden_act",
            "hidden_dropout_prob",
            "pad_token_id",
            "architectures",
            "transformers_version",
            "use_cache",
            "initializer_range",
            "dtype",
            "tie_word_embeddings",
            "is_decoder",
            "add_cross_attention",
            "classifier_dropout",
        )
    ),
    *(
        V(f"config without {name}", without(name), words)
        for name, words in (
            ("vocab_size", "word_embeddings"),
            ("hidden_size", "hidden_size"),
            ("num_hidden_layers", "encoder.layer.2"),
            ("num_attention_heads", "num_attention_heads"),
            ("intermediate_size", "intermediate"),
            ("max_position_embeddings", "position_embeddings"),
        )
    ),
    V("config without model_type", without("model_type"), "model_type"),
    *(
        V(f"config {name} null", bert(**{name: None}), name)
        for name in (
            "layer_norm_eps",
            "type_vocab_size",
            "hidden_act",
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "max_position_embeddings",
            "is_decoder",
            "model_type",
        )
    ),
    V("config pad_token_id null", bert(pad_token_id=None)),
    V("config classifier_dropout null", bert(classifier_dropout=None)),
    V("config architectures null", bert(architectures=None)),
    V("config model_type modernbert", bert(model_type="modernbert"), "model_type"),
    *(
        V(f"hidden_act {act}", bert(hidden_act=act))
        for act in ("gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "relu")
    ),
    *(
        V(f"hidden_act {act}", bert(hidden_act=act), "hidden_act")
        for act in ("silu", "swish", "tanh", "quick_gelu", "gelu_10", "mish", "linear", "sigmoid", "nonsense")
    ),
    V("layer_norm_eps 1e-2", bert(layer_norm_eps=0.01)),
    V("layer_norm_eps text", bert(layer_norm_eps="1e-12"), "layer_norm_eps"),
    V("layer_norm_eps int", bert(layer_norm_eps=1), "layer_norm_eps"),
    V("hidden_size text", bert(hidden_size="16"), "hidden_size"),
    V("fewer layers", bert(num_hidden_layers=1), warns="encoder.layer.1"),
    V("more layers", bert(num_hidden_layers=3), "encoder.layer.2"),
    V("other heads", bert(num_attention_heads=2)),
    V("heads that do not divide", bert(num_attention_heads=3), "num_attention_heads"),
    V("smaller vocabulary", bert(vocab_size=50), "word_embeddings"),
    V("position_embedding_type absolute", bert(position_embedding_type="absolute")),
    V(
        "position_embedding_type relative_key",
        bert(position_embedding_type="relative_key"),
        "position_embedding_type",
    ),
    V("is_decoder", bert(is_decoder=True), "is_decoder"),
    V("add_cross_attention", bert(add_cross_attention=True), "add_cross_attention"),
    V("is_encoder_decoder", bert(is_encoder_decoder=True)),
    V("chunk_size_feed_forward", bert(chunk_size_feed_forward=2)),
    V("output_hidden_states", bert(output_hidden_states=True)),
    V("output_attentions", bert(output_attentions=True)),
    V("return_dict false", bert(return_dict=False)),
    V("return_dict true", bert(return_dict=True)),
    V("torchscript", bert(torchscript=True), ""),
    V("pruned_heads", bert(pruned_heads={"0": [1]})),
    V("pruned_heads empty", bert(pruned_heads={})),
    V(
        "quantization_config",
        bert(quantization_config={"quant_method": "bitsandbytes"}),
        "quantization_config",
    ),
    V("gradient_checkpointing", bert(gradient_checkpointing=True)),
    V("use_cache true", bert(use_cache=True)),
    V("dropout 0.9", bert(hidden_dropout_prob=0.9, attention_probs_dropout_prob=0.9)),
    V(
        "config of bert-base-multilingual",
        bert(
            directionality="bidi",
            pooler_fc_size=768,
            pooler_num_attention_heads=12,
            pooler_num_fc_layers=3,
            pooler_size_per_head=128,
            pooler_type="first_token_transform",
        ),
    ),
    V(
        "config of transformers 4",
        bert(
            _name_or_path="x/y",
            torch_dtype="float32",
            problem_type=None,
            finetuning_task=None,
            bos_token_id=None,
            eos_token_id=None,
            task_specific_params=None,
        ),
    ),
    V(
        "generation keys of transformers 4",
        bert(max_length=20, min_length=0, do_sample=False, num_beams=1, top_k=50),
    ),
    V("config torch_dtype float16", bert(torch_dtype="float16"), is_float32=True),
    V("config dtype bfloat16", bert(dtype="bfloat16"), is_float32=True),
    V("unknown key of config", bert(attention_window=3), warns="attention_window"),
    V("attn_implementation", bert(attn_implementation="eager")),
    V("_attn_implementation", bert(_attn_implementation="eager")),
    V("auto_map", bert(auto_map={"AutoModel": "modeling.Model"})),
    V(
        "config tokenizer_class",
        both(
            bert(tokenizer_class="PreTrainedTokenizerFast"),
            edit("tokenizer_config.json", remove=("tokenizer_class",)),
            part("normalizer", None),
        ),
    ),
    V("architectures MaskedLM", bert(architectures=["BertForMaskedLM"])),
    V("architectures PreTraining", bert(architectures=["BertForPreTraining"])),
    V("config token ids", bert(bos_token_id=1, eos_token_id=2, sep_token_id=3, cls_token_id=2)),
    V("config label maps", bert(id2label={"0": "a", "1": "b"}, label2id={"a": 0, "b": 1})),
    V("config num_labels", bert(num_labels=5)),
    V("config not json", write_file("config.json", "{"), "config.json"),
    V("config a list", write_file("config.json", "[]"), "config.json"),
]

SBERT = [
    V("no sentence_bert_config.json", delete("sentence_bert_config.json")),
    V("max_seq_length 8", sbert(max_seq_length=8)),
    V("max_seq_length null", sbert(max_seq_length=None)),
    V("max_seq_length text", sbert(max_seq_length="8"), "max_seq_length"),
    V("max_seq_length 0", sbert(max_seq_length=0), "max_seq_length"),
    V("max_seq_length beyond the positions", sbert(max_seq_length=400)),
    V("model_max_length 8 only", both(delete("sentence_bert_config.json"), tok(model_max_length=8))),
    V("model_max_length beyond", both(delete("sentence_bert_config.json"), tok(model_max_length=10**30))),
    V(
        "no model_max_length",
        both(
            delete("sentence_bert_config.json"), edit("tokenizer_config.json", remove=("model_max_length",))
        ),
    ),
    V("model_max_length null", both(delete("sentence_bert_config.json"), tok(model_max_length=None))),
    V(
        "max_len, its old name",
        both(
            delete("sentence_bert_config.json"),
            edit("tokenizer_config.json", remove=("model_max_length",), max_len=8),
        ),
    ),
    V("max_len and model_max_length", both(delete("sentence_bert_config.json"), tok(max_len=8))),
    V(
        "model_max_length float",
        both(delete("sentence_bert_config.json"), tok(model_max_length=8.0)),
        "model_max_length",
    ),
    V("max_seq_length above model_max_length", both(sbert(max_seq_length=20), tok(model_max_length=8))),
    V("do_lower_case of cased", both(sbert(do_lower_case=True), tok(do_lower_case=False))),
    V("do_lower_case of uncased", sbert(do_lower_case=True)),
    V("do_lower_case text", sbert(do_lower_case="yes"), "do_lower_case"),
    *(
        V(
            f"settings in sentence_{kind}_config.json",
            both(
                delete("sentence_bert_config.json"),
                write_file(f"sentence_{kind}_config.json", {"max_seq_length": 8}),
            ),
        )
        for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    ),
    V(
        "sentence_bert_config.json before others",
        both(sbert(max_seq_length=9), write_file("sentence_roberta_config.json", {"max_seq_length": 5})),
    ),
    V(
        "an empty sentence_bert_config.json",
        both(
            write_file("sentence_bert_config.json", {}),
            write_file("sentence_roberta_config.json", {"max_seq_length": 5}),
        ),
    ),
    V("processing_kwargs max_length", sbert(processing_kwargs={"text": {"max_length": 6}})),
    V("processing_kwargs common", sbert(processing_kwargs={"common": {"max_length": 6}})),
    V(
        "processing_kwargs text and common",
        sbert(processing_kwargs={"text": {"max_length": 9}, "common": {"max_length": 6}}),
    ),
    V("processing_kwargs truncation true", sbert(processing_kwargs={"text": {"truncation": True}})),
    V("processing_kwargs longest_first", sbert(processing_kwargs={"text": {"truncation": "longest_first"}})),
    V(
        "processing_kwargs truncation false",
        sbert(processing_kwargs={"text": {"truncation": False}}),
        "truncation",
    ),
    V(
        "processing_kwargs only_second",
        sbert(processing_kwargs={"text": {"truncation": "only_second"}}),
        "truncation",
    ),
    V("processing_kwargs padding max_length", sbert(processing_kwargs={"text": {"padding": "max_length"}})),
    V("processing_kwargs padding longest", sbert(processing_kwargs={"text": {"padding": "longest"}})),
    V("processing_kwargs pad_to_multiple_of", sbert(processing_kwargs={"text": {"pad_to_multiple_of": 8}})),
    V(
        "processing_kwargs no special tokens",
        sbert(processing_kwargs={"text": {"add_special_tokens": False}}),
        "add_special_tokens",
    ),
    V("processing_kwargs stride", sbert(processing_kwargs={"text": {"stride": 2}}), "stride"),
    V(
        "processing_kwargs padding_side",
        sbert(processing_kwargs={"text": {"padding_side": "left"}}),
        "padding_side",
    ),
    V(
        "processing_kwargs token types",
        sbert(processing_kwargs={"text": {"return_token_type_ids": False}}),
        "return_token_type_ids",
    ),
    V("processing_kwargs image", sbert(processing_kwargs={"image": {"size": 3}})),
    V("processing_kwargs unknown", sbert(processing_kwargs={"max_length": 4}), warns="max_length"),
    V("processing_kwargs empty", sbert(processing_kwargs={})),
    V("processing_kwargs null", sbert(processing_kwargs=None)),
    V("processing_kwargs a list", sbert(processing_kwargs=[1]), "processing_kwargs"),
    V("query_length null", sbert(query_length=None, document_length=None, query_expansion=None)),
    V("query_length", sbert(query_length=6), "query_length"),
    V("document_length", sbert(document_length=6), "document_length"),
    V("query_expansion", sbert(query_expansion={"strategy": "fixed", "length": 12}), "query_expansion"),
    V("unpad_inputs", sbert(unpad_inputs=True)),
    V("config_kwargs layers", sbert(config_kwargs={"num_hidden_layers": 1}), warns="encoder.layer.1"),
    V("config_args layers", sbert(config_args={"num_hidden_layers": 1}), warns="encoder.layer.1"),
    V("config_args act", sbert(config_args={"hidden_act": "relu"})),
    V("config_args eps", sbert(config_args={"layer_norm_eps": 0.5})),
    V("config_args decoder", sbert(config_args={"is_decoder": True}), "is_decoder"),
    V("config_args trust_remote_code", sbert(config_args={"trust_remote_code": True})),
    V("config_args unknown", sbert(config_args={"xyz": 1}), warns="xyz"),
    V("config_args a list", sbert(config_args=[]), "config_args"),
    V("processor_kwargs lower case", sbert(processor_kwargs={"do_lower_case": False})),
    V("tokenizer_args lower case", sbert(tokenizer_args={"do_lower_case": False})),
    V("tokenizer_args truncation_side", sbert(tokenizer_args={"truncation_side": "left"})),
    V("tokenizer_args model_max_length", sbert(tokenizer_args={"model_max_length": 7})),
    V(
        "tokenizer_args model_max_length only",
        sbert(tokenizer_args={"model_max_length": 7}, max_seq_length=None),
    ),
    V(
        "tokenizer_args model_max_length null",
        sbert(tokenizer_args={"model_max_length": None}, max_seq_length=6),
    ),
    V(
        "processor_kwargs model_max_length null",
        sbert(processor_kwargs={"model_max_length": None}, max_seq_length=6),
    ),
    V("tokenizer_args file", sbert(tokenizer_args={"tokenizer_file": "tokenizer.json"}), "tokenizer_file"),
    V("tokenizer_args type", sbert(tokenizer_args={"tokenizer_type": "roberta"}), "tokenizer_type"),
    V("tokenizer_args use_fast", sbert(tokenizer_args={"use_fast": True})),
    V("tokenizer_args unknown", sbert(tokenizer_args={"xyz": 1}), warns="xyz"),
    V("model_args empty", sbert(model_args={})),
    V("model_kwargs attention", sbert(model_kwargs={"attn_implementation": "eager"})),
    V("model_args no pooling layer", sbert(model_args={"add_pooling_layer": False})),
    V("model_args dtype", sbert(model_args={"torch_dtype": "float16"}), is_float32=True),
    V("model_args unknown", sbert(model_args={"xyz": 1}), "xyz"),
    V("model_args subfolder", sbert(model_args={"variant": "fp16"}), "variant"),
    V("tokenizer_name_or_path null", sbert(tokenizer_name_or_path=None)),
    V("tokenizer_name_or_path", sbert(tokenizer_name_or_path="bert-base-uncased"), "tokenizer_name_or_path"),
    V("transformer_task", sbert(transformer_task="feature-extraction")),
    V("transformer_task fill-mask", sbert(transformer_task="fill-mask"), "transformer_task"),
    V(
        "modality_config",
        sbert(
            transformer_task="feature-extraction",
            module_output_name="token_embeddings",
            modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
        ),
    ),
    V(
        "modality_config of the pooler",
        sbert(
            module_output_name="sentence_embedding",
            modality_config={"text": {"method": "forward", "method_output_name": "pooler_output"}},
        ),
        "modality_config",
    ),
    V(
        "modality_config without name",
        sbert(modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        "module_output_name",
    ),
    V("unknown key of sentence_bert_config", sbert(xyz=1), "xyz"),
]

SETTINGS = [
    V("truncate_dim", settings(truncate_dim=5)),
    V("truncate_dim beyond", settings(truncate_dim=500)),
    V("truncate_dim null", settings(truncate_dim=None)),
    V("truncate_dim text", settings(truncate_dim="5"), "truncate_dim"),
    V("truncate_dim 0", settings(truncate_dim=0), "truncate_dim"),
    V("prompts", settings(prompts={"query": "a b ", "document": "c "})),
    V("default prompt", settings(prompts={"x": "a b "}, default_prompt_name="x")),
    V(
        "default prompt and query prompt",
        settings(prompts={"x": "a b ", "query": "c "}, default_prompt_name="x"),
    ),
    V("default prompt query", settings(prompts={"query": "a b "}, default_prompt_name="query")),
    V(
        "default prompt missing",
        settings(prompts={"x": "a b "}, default_prompt_name="y"),
        "default_prompt_name",
    ),
    V("passage prompt", settings(prompts={"query": "a ", "passage": "b "})),
    V("corpus prompt", settings(prompts={"corpus": "b "})),
    V("document null, passage prompt", settings(prompts={"document": None, "passage": "b "})),
    V("prompts null", settings(prompts=None), "prompts"),
    V("prompt null", settings(prompts={"query": None})),
    V("similarity dot", settings(similarity_fn_name="dot")),
    V("similarity null", settings(similarity_fn_name=None)),
    V("similarity maxsim", settings(similarity_fn_name="maxsim"), "similarity_fn_name"),
    V(
        "versions",
        settings(__version__={"sentence_transformers": "2.2.2", "transformers": "4.1", "pytorch": "1"}),
    ),
    V("version null", settings(__version__=None), "__version__"),
    V("requirements met", settings(requirements={"sentence_transformers": ">=2"}), "requirements"),
    V("requirements not met", settings(requirements={"sentence_transformers": ">=99"}), "requirements"),
    V("model_type", settings(model_type="SentenceTransformer")),
    V("model_type SparseEncoder", settings(model_type="SparseEncoder"), "model_type"),
    V("model_type CrossEncoder", settings(model_type="CrossEncoder"), "model_type"),
    V("unknown setting", settings(xyz=1), warns="xyz"),
    V("activation_fn of an encoder", settings(activation_fn="torch.nn.Tanh")),
    V("no modules.json", delete("modules.json")),
    V(
        "no modules.json, settings are not read",
        both(
            delete("modules.json"),
            sbert(max_seq_length=6),
            settings(prompts={"query": "a b "}, truncate_dim=3),
        ),
    ),
    V(
        "no modules.json, no pooling folder",
        delete("modules.json", "1_Pooling", "2_Normalize", "sentence_bert_config.json"),
    ),
]

BERT_LOWER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"Sequence": {"id": "B", "type_id": 1}},
    ],
    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
}
TYPES = {
    **TEMPLATE,
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 1}}, {"Sequence": {"id": "A", "type_id": 1}}],
}


def changed(**fields: Any) -> Callable[[Any], Any]:
    return lambda value: {**(value or {}), **fields}


def truncation(direction: str, **fields: Any) -> dict[str, Any]:
    return {"direction": direction, "max_length": 12, "strategy": "LongestFirst", "stride": 0, **fields}


PADDING = {
    "strategy": {"Fixed": 12},
    "direction": "Left",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}

TOKENIZER_CONFIG = [
    V("no tokenizer_config.json", delete("tokenizer_config.json")),
    V("truncation_side left", tok(truncation_side="left")),
    V("truncation_side right", tok(truncation_side="right")),
    V("truncation_side middle", tok(truncation_side="middle"), "truncation_side"),
    V("truncation_side null", tok(truncation_side=None), "truncation_side"),
    V("direction Left", part("truncation", truncation("Left"))),
    V(
        "direction Left, side right",
        both(part("truncation", truncation("Left")), tok(truncation_side="right")),
    ),
    V(
        "direction Right, side left",
        both(part("truncation", truncation("Right")), tok(truncation_side="left")),
    ),
    V("truncation stride", part("truncation", truncation("Right", stride=3))),
    V("truncation strategy", part("truncation", truncation("Right", strategy="OnlySecond"))),
    V("padding in tokenizer.json", part("padding", PADDING), "padding_side"),
    V("padding_side left", tok(padding_side="left"), "padding_side"),
    V(
        "padding_side left, cls",
        both(tok(padding_side="left"), pooling(word_embedding_dimension=WIDTH, pooling_mode_cls_token=True)),
        "padding_side",
    ),
    V(
        "padding_side left, weighted",
        both(
            tok(padding_side="left"),
            pooling(word_embedding_dimension=WIDTH, pooling_mode_weightedmean_tokens=True),
        ),
        "padding_side",
    ),
    *(
        V(f"{name} {value} in tokenizer_config", tok(**{name: value}))
        for name in ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
        for value in (True, False)
    ),
    V("strip_accents null", tok(strip_accents=None)),
    V("do_lower_case null", tok(do_lower_case=None), "do_lower_case"),
    V("do_lower_case text in tokenizer_config", tok(do_lower_case="no"), "do_lower_case"),
    V("cased with accents stripped", tok(do_lower_case=False, strip_accents=True)),
    V(
        "no do_lower_case, cased tokenizer.json",
        both(edit("tokenizer_config.json", remove=("do_lower_case",)), part("normalizer.lowercase", False)),
    ),
    V(
        "lower case in tokenizer.json only",
        both(tok(do_lower_case=False), part("normalizer.lowercase", True)),
    ),
    V("accents in tokenizer.json only", part("normalizer.strip_accents", True)),
    V("accents kept in tokenizer.json only", part("normalizer.strip_accents", False)),
    V("chinese in tokenizer.json only", part("normalizer.handle_chinese_chars", False)),
    V("clean_text false in tokenizer.json", part("normalizer.clean_text", False)),
    V("other normalizer", part("normalizer", {"type": "NFKC"})),
    V("no normalizer", part("normalizer", None)),
    V("other pre_tokenizer", part("pre_tokenizer", {"type": "WhitespaceSplit"})),
    V("no pre_tokenizer", part("pre_tokenizer", None)),
    V("other post_processor", part("post_processor", TEMPLATE)),
    V("no post_processor", part("post_processor", None)),
    V("max_input_chars_per_word", part("model.max_input_chars_per_word", 3)),
    V("max_input_chars_per_word 1000", part("model.max_input_chars_per_word", 1000)),
    V("continuing_subword_prefix", part("model.continuing_subword_prefix", "@@")),
    V("unk_token of the model", part("model.unk_token", "[MASK]")),
    V("decoder", part("decoder", None)),
    V("unk_token in tokenizer_config", tok(unk_token="[MASK]")),
    V("cls_token in tokenizer_config", tok(cls_token="[MASK]")),
    V("sep_token in tokenizer_config", tok(sep_token="[MASK]")),
    V("cls_token as object", tok(cls_token={"__type": "AddedToken", **token("[CLS]")})),
    V("cls_token object without type", tok(cls_token=token("[CLS]")), "cls_token"),
    V("cls_token a new token", tok(cls_token="<s>")),
    V("sep_token null", tok(sep_token=None), "sep_token"),
    V("cls_token null", tok(cls_token=None), "cls_token"),
    V("unk_token null", tok(unk_token=None), "unk_token"),
    V("unk_token a new token", tok(unk_token="[X]"), "[UNK]"),
    V("pad_token other", tok(pad_token="[MASK]")),
    V("pad_token a new token", tok(pad_token="[P]")),
    V("pad_token null", tok(pad_token=None), "pad_token"),
    V("mask_token null", tok(mask_token=None)),
    V(
        "no special tokens in tokenizer_config",
        edit(
            "tokenizer_config.json", remove=("cls_token", "sep_token", "unk_token", "pad_token", "mask_token")
        ),
    ),
    V(
        "tokens only in added_tokens_decoder",
        decoder_with(**{f"_{NEW}": token("[NEW]", special=True), f"_{NEW + 1}": token("[new]")}),
    ),
    V("normalized added token", decoder_with(**{f"_{NEW}": token("[NEW]", normalized=True)})),
    V("added token with lstrip", decoder_with(**{f"_{NEW}": token("unknown", lstrip=True, rstrip=True)})),
    V("single word added token", decoder_with(**{f"_{NEW}": token("a", single_word=True)})),
    V("added token of the vocabulary", decoder_with(**{"5": token("a")})),
    V(
        "added tokens that change order",
        decoder_with(**{f"_{NEW + 1}": token("[NEW]"), f"_{NEW}": token("[new]")}),
    ),
    V(
        "added token beyond the model",
        decoder_with(**{f"_{NEW + i}": token(f"[{i}]") for i in range(5)}),
        "vocab",
    ),
    V("added_tokens_decoder with a gap", decoder_with(**{f"_{NEW + 2}": token("[NEW]")})),
    V("added_tokens_decoder of strings", tok(added_tokens_decoder={"5": "a"}), "added_tokens_decoder"),
    V("added_tokens_decoder empty", tok(added_tokens_decoder={})),
    V(
        "added_tokens_decoder without [MASK]",
        tok(
            added_tokens_decoder={str(i): token(WORDS[i], special=True) for i in range(4)}, mask_token="[UNK]"
        ),
    ),
    V(
        "added_tokens.json",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", {"[NEW]": NEW, "[xyz]": NEW + 1}),
        ),
    ),
    V(
        "added_tokens.json beside the decoder",
        both(decoder_with(), write_file("added_tokens.json", {"[NEW]": NEW})),
    ),
    V(
        "added_tokens.json with a special token",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", {"[NEW]": NEW}),
            write_file("special_tokens_map.json", {"additional_special_tokens": ["[NEW]"]}),
        ),
    ),
    V(
        "added_tokens.json is a list",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", ["[NEW]"]),
        ),
        "added_tokens.json",
    ),
    V(
        "special_tokens_map.json as saved",
        write_file(
            "special_tokens_map.json",
            {
                "cls_token": "[CLS]",
                "sep_token": "[SEP]",
                "unk_token": "[UNK]",
                "pad_token": "[PAD]",
                "mask_token": "[MASK]",
            },
        ),
    ),
    V(
        "special_tokens_map.json with another cls",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("special_tokens_map.json", {"cls_token": "[MASK]"}),
        ),
    ),
    V(
        "special_tokens_map.json with another unk",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file(
                "special_tokens_map.json",
                {
                    "unk_token": {
                        "content": "[MASK]",
                        "lstrip": False,
                        "normalized": False,
                        "rstrip": False,
                        "single_word": False,
                    }
                },
            ),
        ),
    ),
    V(
        "special_tokens_map.json beside the decoder",
        both(decoder_with(), write_file("special_tokens_map.json", {"cls_token": "[MASK]"})),
    ),
    V("additional_special_tokens", tok(additional_special_tokens=["[NEW]", "[new]"])),
    V("extra_special_tokens list", tok(extra_special_tokens=["[NEW]"])),
    V("extra_special_tokens object", tok(extra_special_tokens={"new_token": "[NEW]"})),
    V("custom token attribute", tok(my_token="[NEW]")),
    V("split_special_tokens", tok(split_special_tokens=True), "split_special_tokens"),
    V(
        "added tokens in tokenizer.json only",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            part("added_tokens", lambda a: [*a, {"id": NEW, **token("[NEW]")}]),
        ),
    ),
    V(
        "added tokens in tokenizer.json beside the decoder",
        both(decoder_with(), part("added_tokens", lambda a: [*a, {"id": NEW, **token("[NEW]")}])),
    ),
    V(
        "no added tokens in tokenizer.json",
        both(edit("tokenizer_config.json", remove=("added_tokens_decoder",)), part("added_tokens", [])),
    ),
    V("model_input_names without types", tok(model_input_names=["input_ids", "attention_mask"])),
    V(
        "model_input_names without mask",
        tok(model_input_names=["input_ids", "token_type_ids"]),
        "model_input_names",
    ),
    V("add_bos_token", tok(add_bos_token=True, add_eos_token=True)),
    V("clean_up_tokenization_spaces", tok(clean_up_tokenization_spaces=True)),
    V("do_basic_tokenize", tok(do_basic_tokenize=True, never_split=None)),
    V("do_basic_tokenize false", tok(do_basic_tokenize=False)),
    V(
        "name_or_path and others",
        tok(
            name_or_path="x/y",
            special_tokens_map_file="/x",
            tokenizer_file="/y",
            is_local=True,
            backend="tokenizers",
            processor_class=None,
        ),
    ),
    V(
        "tokenizer_config max_length and stride",
        tok(max_length=5, stride=2, truncation_strategy="only_first"),
    ),
    V("add_prefix_space", tok(add_prefix_space=True)),
    V("chat_template", tok(chat_template="{{ x }}")),
    V("unknown key of tokenizer_config", tok(xyz=1), warns="xyz"),
    V("init_inputs", tok(init_inputs=[])),
    V("vocab_file of tokenizer_config", tok(vocab_file="/etc/passwd")),
    *(
        V(f"tokenizer_class {name}", tok(tokenizer_class=name))
        for name in (
            "BertTokenizer",
            "BertTokenizerFast",
            "PreTrainedTokenizerFast",
            "TokenizersBackend",
            "DistilBertTokenizer",
            "DistilBertTokenizerFast",
            "ElectraTokenizer",
            "MobileBertTokenizer",
            "ConvBertTokenizer",
        )
    ),
    *(
        V(f"tokenizer_class {name}", tok(tokenizer_class=name), "tokenizer_class")
        for name in (
            "NonsenseTokenizer",
            "BertJapaneseTokenizer",
            "XLMRobertaTokenizer",
            "RobertaTokenizer",
            "T5TokenizerFast",
        )
    ),
    V("tokenizer_class MPNetTokenizer", tok(tokenizer_class="MPNetTokenizer")),
    V("tokenizer_class null", tok(tokenizer_class=None)),
]

PLAIN = [
    V("plain: as saved", plain()),
    V("plain: normalizer", both(plain(do_lower_case=True), part("normalizer.lowercase", False))),
    V("plain: do_lower_case false", plain(do_lower_case=False)),
    V("plain: strip_accents", plain(strip_accents=False)),
    V("plain: no normalizer", both(plain(), part("normalizer", None))),
    V(
        "plain: Lowercase",
        both(
            plain(),
            part(
                "normalizer",
                {
                    "type": "Sequence",
                    "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}],
                },
            ),
        ),
    ),
    V("plain: pre_tokenizer", both(plain(), part("pre_tokenizer", {"type": "WhitespaceSplit"}))),
    V("plain: Whitespace", both(plain(), part("pre_tokenizer", {"type": "Whitespace"}))),
    V("plain: post_processor", both(plain(), part("post_processor", TEMPLATE))),
    V("plain: token types", both(plain(), part("post_processor", TYPES))),
    V(
        "plain: token types that the model gets",
        both(
            plain(model_input_names=["input_ids", "token_type_ids", "attention_mask"]),
            part("post_processor", TYPES),
        ),
        "post_processor",
    ),
    V(
        "plain: BertProcessing",
        both(
            plain(),
            part("post_processor", {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
        ),
    ),
    V("plain: no post_processor", both(plain(), part("post_processor", None)), "post_processor"),
    V("plain: max_input_chars_per_word", both(plain(), part("model.max_input_chars_per_word", 3))),
    V("plain: continuing_subword_prefix", both(plain(), part("model.continuing_subword_prefix", "@@"))),
    V("plain: unk_token", both(plain(), part("model.unk_token", "[MASK]"))),
    V("plain: unk_token in tokenizer_config", plain(unk_token="[MASK]")),
    V("plain: cls_token in tokenizer_config", plain(cls_token="[MASK]")),
    V("plain: new cls_token", plain(cls_token="<s>")),
    V("plain: truncation_side", plain(truncation_side="left")),
    V("plain: direction", both(plain(), part("truncation", truncation("Left")))),
    V("plain: padding", both(plain(), part("padding", PADDING)), "padding_side"),
    V(
        "plain: added_tokens_decoder",
        both(
            plain(), decoder_with(**{f"_{NEW}": token("[NEW]"), f"_{NEW + 1}": token("[new]", special=True)})
        ),
    ),
    V(
        "plain: added_tokens.json",
        both(
            plain(),
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", {"[NEW]": NEW}),
        ),
    ),
    V("plain: additional_special_tokens", plain(additional_special_tokens=["[NEW]"])),
    V(
        "plain: token of tokenizer.json only",
        both(plain(), decoder_with(), part("added_tokens", lambda a: [*a, {"id": NEW, **token("[NEW]")}])),
    ),
    V("plain: special tokens", plain(cls_token=None, sep_token=None), "cls_token"),
    V("plain: add_bos_token", plain(add_bos_token=True)),
    V(
        "plain: lower-cased by sentence_bert_config",
        both(plain(), sbert(do_lower_case=True), part("normalizer.lowercase", False)),
    ),
    V(
        "plain: lower-cased, has Lowercase",
        both(plain(), sbert(do_lower_case=True), part("normalizer", {"type": "Lowercase"})),
    ),
    V("plain: model_max_length", both(plain(model_max_length=6), delete("sentence_bert_config.json"))),
]

VOCABULARY = [
    V("vocab.txt alone", old_vocabulary),
    V("vocab.txt, cased", both(old_vocabulary, tok(do_lower_case=False))),
    V("vocab.txt, accents", both(old_vocabulary, tok(strip_accents=False))),
    V("vocab.txt, chinese", both(old_vocabulary, tok(tokenize_chinese_chars=False))),
    V("vocab.txt without tokenizer_config", both(old_vocabulary, delete("tokenizer_config.json"))),
    V(
        "vocab.txt and added_tokens.json",
        both(
            old_vocabulary,
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", {"[NEW]": NEW, "[xyz]": NEW + 1}),
        ),
    ),
    V(
        "vocab.txt and special_tokens_map.json",
        both(
            old_vocabulary,
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("special_tokens_map.json", {"unk_token": "[MASK]"}),
        ),
    ),
    V("vocab.txt and the decoder", both(old_vocabulary, decoder_with(**{f"_{NEW}": token("[NEW]")}))),
    V("vocab.txt with CRLF", both(old_vocabulary, write_file("vocab.txt", "\r\n".join(WORDS) + "\r\n"))),
    V(
        "vocab.txt with repeated and empty lines",
        both(old_vocabulary, write_file("vocab.txt", "\n".join([*WORDS, "a", ""]) + "\n")),
    ),
    V(
        "vocab.txt without [CLS]",
        both(old_vocabulary, write_file("vocab.txt", "\n".join(WORDS[5:]) + "\n")),
        "vocab.txt",
    ),
    V(
        "vocab.txt without [UNK]",
        both(old_vocabulary, write_file("vocab.txt", "\n".join(["[PAD]", "u", *WORDS[2:]]) + "\n")),
        "vocab.txt",
    ),
    V("vocab.txt of a plain tokenizer", both(old_vocabulary, plain()), "tokenizer.json"),
    V("vocab.txt empty", both(old_vocabulary, write_file("vocab.txt", "")), "vocab.txt"),
    V("vocab.txt beside tokenizer.json", write_file("vocab.txt", "\n".join(reversed(WORDS)) + "\n")),
    V("neither vocab.txt nor tokenizer.json", delete("tokenizer.json"), "tokenizer.json"),
]

MODULES = [
    V("new class paths", modules("Transformer", "Pooling", "Normalize", prefix=NEW_MODULES)),
    V(
        "base class paths",
        entries(
            lambda e: [
                {**m, "type": BASE_MODULES + "transformer.Transformer" if i == 0 else m["type"]}
                for i, m in enumerate(e)
            ]
        ),
    ),
    V(
        "paths by file",
        entries(
            lambda e: [
                {**m, "type": NEW_MODULES + "pooling.Pooling" if i == 1 else m["type"]}
                for i, m in enumerate(e)
            ]
        ),
    ),
    V(
        "old paths by file",
        entries(
            lambda e: [
                {**m, "type": "sentence_transformers.models.Pooling.Pooling" if i == 1 else m["type"]}
                for i, m in enumerate(e)
            ]
        ),
        "",
    ),
    V("path of another package", modules("Transformer", "Pooling", "Normalize", prefix=CODE), CODE),
    V("class name only", modules("Transformer", "Pooling", "Normalize", prefix=""), "sentence_transformers."),
    V("0_Transformer", in_folder),
    V("0_Transformer with settings", both(sbert(max_seq_length=7), tok(do_lower_case=False), in_folder)),
    V("0_Transformer and vocab.txt", both(old_vocabulary, in_folder)),
    V("0_Transformer and sharded", both(sharded(), in_folder)),
    V(
        "Transformer in another folder",
        both(
            in_folder,
            lambda d: (d / "0_Transformer").rename(d / "bert"),
            entries(lambda e: [{**m, "path": "bert"} if i == 0 else m for i, m in enumerate(e)]),
        ),
    ),
    V("not normalized", modules("Transformer", "Pooling")),
    V("two Normalize", modules("Transformer", "Pooling", "Normalize", "Normalize")),
    V("Dense", modules("Transformer", "Pooling", "Dense")),
    V("Dense, Normalize", modules("Transformer", "Pooling", "Dense", "Normalize")),
    V("Normalize, Dense", modules("Transformer", "Pooling", "Normalize", "Dense")),
    V("Normalize, Dense, Normalize", modules("Transformer", "Pooling", "Normalize", "Dense", "Normalize")),
    V("two Dense", modules("Transformer", "Pooling", "Dense", "Dense", "Normalize")),
    V("Dropout", modules("Transformer", "Pooling", "Dropout")),
    V("Dropout, Normalize", modules("Transformer", "Pooling", "Dropout", "Normalize")),
    V("Normalize, Dropout", modules("Transformer", "Pooling", "Normalize", "Dropout")),
    V("LayerNorm", modules("Transformer", "Pooling", "LayerNorm")),
    V("LayerNorm, Normalize", modules("Transformer", "Pooling", "LayerNorm", "Normalize")),
    V("Dense, LayerNorm, Normalize", modules("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize")),
    V(
        "Normalize, LayerNorm, Dropout, Dense",
        modules("Transformer", "Pooling", "Normalize", "LayerNorm", "Dropout", "Dense"),
    ),
    V(
        "truncate_dim with Normalize, Dense",
        both(modules("Transformer", "Pooling", "Normalize", "Dense"), settings(truncate_dim=3)),
    ),
    V("Normalize before Pooling", modules("Transformer", "Normalize", "Pooling"), "Normalize"),
    V("Dropout before Pooling", modules("Transformer", "Dropout", "Pooling"), "Dropout"),
    V("Dense before Pooling", modules("Transformer", "Dense", "Pooling"), "Dense"),
    V("two Poolings", modules("Transformer", "Pooling", "Pooling"), "Pooling"),
    V("no Pooling", modules("Transformer"), "Pooling"),
    V("Pooling first", modules("Pooling", "Transformer"), "Pooling"),
    V("unknown module", modules("Transformer", "Pooling", "Nonsense"), "Nonsense"),
    V("CNN", modules("Transformer", "CNN", "Pooling"), "CNN"),
    V(
        "WeightedLayerPooling",
        modules("Transformer", "WeightedLayerPooling", "Pooling"),
        "WeightedLayerPooling",
    ),
    V("empty modules.json", entries(lambda _: []), "modules"),
    V(
        "module without path",
        entries(lambda e: [{k: v for k, v in m.items() if k != "path"} for m in e]),
        "path",
    ),
    V(
        "module without name",
        entries(lambda e: [{k: v for k, v in m.items() if k != "name"} for m in e]),
        "name",
    ),
    V("module without idx", entries(lambda e: [{k: v for k, v in m.items() if k != "idx"} for m in e])),
    V("modules with the same name", entries(lambda e: [{**m, "name": "x"} for m in e]), "name"),
    V("module kwargs", entries(lambda e: [{**m, "kwargs": []} for m in e])),
    V("module with an unknown key", entries(lambda e: [{**m, "xyz": 1} for m in e]), "xyz"),
    V("Transformer kwargs task", entries(lambda e: [{**m, "kwargs": ["task"]} for m in e]), "kwargs"),
    V(
        "path outside",
        entries(lambda e: [{**m, "path": "../x"} if i == 1 else m for i, m in enumerate(e)]),
        "path",
    ),
    V(
        "nested path",
        both(
            lambda d: (d / "sub").mkdir(),
            lambda d: (d / "1_Pooling").rename(d / "sub" / "1_Pooling"),
            entries(lambda e: [{**m, "path": "sub/1_Pooling"} if i == 1 else m for i, m in enumerate(e)]),
        ),
        "path",
    ),
    V(
        "folder with a hyphen",
        both(
            lambda d: (d / "1_Pooling").rename(d / "1-Pooling.x"),
            entries(lambda e: [{**m, "path": "1-Pooling.x"} if i == 1 else m for i, m in enumerate(e)]),
        ),
        "",
    ),
    V(
        "Pooling at the top",
        entries(lambda e: [{**m, "path": ""} if i == 2 else m for i, m in enumerate(e)]),
        "folder",
    ),
    V(
        "two modules in one folder",
        both(
            modules("Transformer", "Pooling", "Dense", "Dense"),
            entries(lambda e: [{**m, "path": "2_Dense"} if i == 3 else m for i, m in enumerate(e)]),
        ),
        "folder",
    ),
    V("Normalize folder missing", delete("2_Normalize")),
    V(
        "Normalize with config",
        module_config(
            "2_Normalize", module_input_name="sentence_embedding", module_output_name="sentence_embedding"
        ),
    ),
    V(
        "Normalize of tokens",
        module_config("2_Normalize", module_input_name="token_embeddings"),
        "module_input_name",
    ),
    V(
        "Normalize to another name",
        module_config("2_Normalize", module_output_name="x"),
        "module_output_name",
    ),
    V("Normalize unknown key", module_config("2_Normalize", xyz=1), warns="xyz"),
    V("Dropout without config", both(modules("Transformer", "Pooling", "Dropout"), delete("2_Dropout"))),
    V(
        "Dropout unknown key",
        both(modules("Transformer", "Pooling", "Dropout"), module_config("2_Dropout", xyz=1)),
        "xyz",
    ),
    V(
        "LayerNorm unknown key",
        both(modules("Transformer", "Pooling", "LayerNorm"), module_config("2_LayerNorm", eps=1)),
        "eps",
    ),
    V(
        "LayerNorm of another width",
        both(modules("Transformer", "Pooling", "LayerNorm"), module_config("2_LayerNorm", dimension=8)),
        "2_LayerNorm",
    ),
    V(
        "LayerNorm without weights",
        both(modules("Transformer", "Pooling", "LayerNorm"), delete("2_LayerNorm/model.safetensors")),
        "2_LayerNorm",
    ),
    V(
        "adapter",
        write_file("adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "x/y"}),
        "adapter_config.json",
    ),
    V("processor config", write_file("preprocessor_config.json", {"image_size": 3})),
]

MODES = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
POOLING = [
    *(
        V(f"pooling_mode_{mode}", pooling(word_embedding_dimension=WIDTH, **{f"pooling_mode_{mode}": True}))
        for mode in MODES
    ),
    *(
        V(f"pooling_mode {mode}", pooling(embedding_dimension=WIDTH, pooling_mode=mode))
        for mode in ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
    ),
    V(
        "pooling flags all false",
        pooling(word_embedding_dimension=WIDTH, **{f"pooling_mode_{mode}": False for mode in MODES}),
    ),
    V("pooling without a mode", pooling(word_embedding_dimension=WIDTH)),
    V("pooling empty list", pooling(embedding_dimension=WIDTH, pooling_mode=[]), "pooling"),
    V("pooling list of one", pooling(embedding_dimension=WIDTH, pooling_mode=["max"])),
    V("pooling list of two", pooling(embedding_dimension=WIDTH, pooling_mode=["mean", "cls"])),
    V("pooling list repeated", pooling(embedding_dimension=WIDTH, pooling_mode=["mean", "mean"]), "repeated"),
    V("pooling null", pooling(embedding_dimension=WIDTH, pooling_mode=None), "pooling_mode"),
    V("pooling unknown", pooling(embedding_dimension=WIDTH, pooling_mode="median"), "median"),
    V(
        "pooling mode and flags",
        pooling(embedding_dimension=WIDTH, pooling_mode="cls", pooling_mode_mean_tokens=True),
    ),
    V(
        "two flags",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=True, pooling_mode_cls_token=True),
    ),
    V(
        "flag as a number",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=0, pooling_mode_cls_token=1),
    ),
    V(
        "unknown flag",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_median=True),
        "pooling_mode_median",
    ),
    V(
        "unknown flag false",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_median=False),
        "pooling_mode_median",
    ),
    V(
        "include_prompt",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=True, include_prompt=True),
    ),
    V(
        "include_prompt false",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=True, include_prompt=False),
        "include_prompt",
    ),
    V(
        "include_prompt null",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=True, include_prompt=None),
        "include_prompt",
    ),
    V(
        "include_prompt 0",
        pooling(word_embedding_dimension=WIDTH, pooling_mode_mean_tokens=True, include_prompt=0),
        "include_prompt",
    ),
    V("no dimension", pooling(pooling_mode_mean_tokens=True), "embedding_dimension"),
    V(
        "other dimension",
        pooling(word_embedding_dimension=8, pooling_mode_mean_tokens=True),
        "word_embedding_dimension",
    ),
    V(
        "both dimensions",
        pooling(word_embedding_dimension=WIDTH, embedding_dimension=WIDTH, pooling_mode="cls"),
        "",
    ),
    V("pooling unknown key", pooling(embedding_dimension=WIDTH, pooling_mode="cls", xyz=1), "xyz"),
    V("no pooling config", delete("1_Pooling/config.json"), "1_Pooling"),
    V("no pooling folder", delete("1_Pooling"), "1_Pooling"),
]

DENSE_FOLDER = "2_Dense"


def dense(remove: tuple[str, ...] = (), **changes: Any) -> Change:
    return both(modules("Transformer", "Pooling", "Dense"), module_config(DENSE_FOLDER, remove, **changes))


def dense_tensors(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    return tensors(change, f"{DENSE_FOLDER}/model.safetensors")


DENSE = [
    *(
        V(f"Dense {name}", dense(activation_function=name))
        for name in (
            "torch.nn.modules.linear.Identity",
            "torch.nn.modules.activation.GELU",
            "torch.nn.modules.activation.ReLU",
            "torch.nn.modules.activation.Sigmoid",
            "torch.nn.modules.activation.Tanh",
            "torch.nn.Tanh",
            "torch.nn.ReLU",
            "torch.nn.Identity",
        )
    ),
    *(
        V(f"Dense {name}", dense(activation_function=name), "activation_function")
        for name in (
            "torch.nn.modules.activation.ELU",
            "torch.nn.SiLU",
            "torch.nn.Softmax",
            "my.module.Act",
            "Tanh",
            "my.Tanh",
            "torch.nn.functional.relu",
            "torch.xyz",
        )
    ),
    V("Dense null activation", dense(activation_function=None), "activation_function"),
    V("Dense without activation", dense(remove=("activation_function",))),
    V(
        "Dense without bias",
        both(dense(bias=False), dense_tensors(lambda t: {"linear.weight": t["linear.weight"]})),
    ),
    V("Dense bias false, tensor there", dense(bias=False), "linear.bias"),
    V("Dense bias missing", dense(remove=("bias",))),
    V(
        "Dense bias true, no tensor",
        both(dense(), dense_tensors(lambda t: {"linear.weight": t["linear.weight"]})),
        "linear.bias",
    ),
    V("Dense residual", dense(use_residual=True), "use_residual"),
    V("Dense no residual", dense(use_residual=False)),
    V("Dense names", dense(module_input_name="sentence_embedding", module_output_name="sentence_embedding")),
    V("Dense output null", dense(module_output_name=None)),
    V("Dense input null", dense(module_input_name=None), "module_input_name"),
    V("Dense input of tokens", dense(module_input_name="token_embeddings"), "module_input_name"),
    V("Dense output scores", dense(module_output_name="scores"), "module_output_name"),
    V("Dense unknown key", dense(xyz=1), warns="xyz"),
    V("Dense other width", dense(in_features=8), "2_Dense"),
    V("Dense missing width", dense(remove=("in_features",)), "in_features"),
    V("Dense without weights", both(dense(), delete("2_Dense/model.safetensors")), "2_Dense"),
    V("Dense LFS pointer", both(dense(), write_file("2_Dense/model.safetensors", LFS)), "git lfs pull"),
    V(
        "Dense extra tensor",
        both(dense(), dense_tensors(lambda t: {**t, "x": t["linear.bias"]})),
        "unexpected: x",
    ),
]

WEIGHTS = [
    V("prefix bert.", prefixed("bert.")),
    V("prefix model.", prefixed("model."), warns="model.", is_lost=True),
    V("prefix module.", prefixed("module."), warns="module.", is_lost=True),
    V("prefix encoder.", prefixed("encoder."), warns="encoder.", is_lost=True),
    V("prefix roberta.", prefixed("roberta."), warns="roberta.", is_lost=True),
    V("prefix 0.auto_model.", prefixed("0.auto_model."), warns="0.auto_model.", is_lost=True),
    V("prefix 0.model.", prefixed("0.model."), warns="0.model.", is_lost=True),
    V("prefix auto_model.", prefixed("auto_model."), warns="auto_model.", is_lost=True),
    V("prefix bert.bert.", prefixed("bert.bert."), warns="bert.", is_lost=True),
    V(
        "half of the names with the prefix",
        tensors(lambda t: {("bert." if i % 2 else "") + n: x for i, (n, x) in enumerate(t.items())}),
    ),
    V(
        "names with and without the prefix",
        tensors(lambda t: {**t, **{f"bert.{n}": -x for n, x in t.items()}}),
        "twice",
    ),
    V(
        "gamma and beta",
        both(renamed("LayerNorm.weight", "LayerNorm.gamma"), renamed("LayerNorm.bias", "LayerNorm.beta")),
    ),
    V(
        "bert-base-uncased",
        both(
            renamed("LayerNorm.weight", "LayerNorm.gamma"),
            renamed("LayerNorm.bias", "LayerNorm.beta"),
            prefixed("bert."),
            more(
                cls__predictions__bias=(66,),
                cls__predictions__transform__dense__weight=(16, 16),
                cls__predictions__transform__dense__bias=(16,),
                cls__predictions__transform__LayerNorm__gamma=(16,),
                cls__predictions__transform__LayerNorm__beta=(16,),
                cls__seq_relationship__weight=(2, 16),
                cls__seq_relationship__bias=(2,),
            ),
            bert(architectures=["BertForPreTraining"]),
        ),
    ),
    V(
        "masked-LM head",
        both(
            prefixed("bert."),
            more(
                cls__predictions__decoder__weight=(66, 16),
                cls__predictions__decoder__bias=(66,),
                cls__predictions__bias=(66,),
            ),
        ),
    ),
    V("classifier head", both(prefixed("bert."), more(classifier__weight=(3, 16), classifier__bias=(3,)))),
    V(
        "question answering head",
        both(prefixed("bert."), more(qa_outputs__weight=(2, 16), qa_outputs__bias=(2,))),
    ),
    V(
        "position_ids",
        tensors(lambda t: {**t, "embeddings.position_ids": np.arange(40)[None]}),
    ),
    V("no pooler", tensors(lambda t: {n: x for n, x in t.items() if "pooler" not in n})),
    V("foreign tensor", more(my__extra=(3,)), warns="my.extra"),
    V(
        "foreign tensors in a layer",
        more(encoder__layer__0__adapter__weight=(3, 3)),
        warns="encoder.layer.0.adapter.weight",
    ),
    V(
        "missing tensor",
        tensors(lambda t: {n: x for n, x in t.items() if n != "encoder.layer.0.output.dense.bias"}),
        "encoder.layer.0.output.dense.bias",
    ),
    V("two shards", sharded(2)),
    V("five shards", sharded(5)),
    V("shards with prefix", both(prefixed("bert."), sharded(2))),
    V("shards with gamma", both(renamed("LayerNorm.weight", "LayerNorm.gamma"), sharded(2))),
    V(
        "shards and model.safetensors",
        both(
            lambda d: (d / "keep").write_bytes((d / "model.safetensors").read_bytes()),
            tensors(lambda t: {n: x * 2 for n, x in t.items()}),
            sharded(2),
            lambda d: (d / "keep").rename(d / "model.safetensors"),
        ),
    ),
    V(
        "a shard missing",
        both(sharded(2), delete("model-00002-of-00002.safetensors")),
        "model-00002-of-00002.safetensors",
    ),
    V(
        "a shard a pointer",
        both(sharded(2), write_file("model-00002-of-00002.safetensors", LFS)),
        "git lfs pull",
    ),
    V(
        "index without weight_map",
        both(sharded(2), write_file("model.safetensors.index.json", {"metadata": {}})),
        "weight_map",
    ),
    V(
        "index with a path outside",
        both(
            sharded(2),
            write_file(
                "model.safetensors.index.json", {"metadata": {}, "weight_map": {"a": "../x.safetensors"}}
            ),
        ),
        "../x.safetensors",
    ),
    V(
        "index without a tensor",
        both(
            sharded(2),
            edit(
                "model.safetensors.index.json",
                weight_map={"embeddings.LayerNorm.bias": "model-00001-of-00002.safetensors"},
            ),
        ),
        "missing",
    ),
    V("float16", as_torch("float16"), is_float32=True),
    V("bfloat16", as_torch("bfloat16"), is_float32=True),
    V("float64", as_torch("float64"), is_float32=True),
    V("float16 shards", both(as_torch("float16"), sharded(2)), is_float32=True),
    V("LFS pointer", write_file("model.safetensors", LFS), "git lfs pull"),
    V("LFS pointer for the tokenizer", write_file("tokenizer.json", LFS), "git lfs pull"),
    V("no weights", delete("model.safetensors"), "model.safetensors"),
    V("pytorch_model.bin", lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "pickle"),
    V(
        "other type vocabulary",
        both(
            bert(type_vocab_size=1),
            tensors(lambda t: {n: x[:1] if "token_type" in n else x for n, x in t.items()}),
        ),
    ),
    V("wrong shape", bert(intermediate_size=16), "intermediate"),
]

MULTILINGUAL = [
    V("XLM-R as saved", xlm_roberta),
    V("XLM-R cut on the left", both(xlm_roberta, tok(truncation_side="left"))),
    V("XLM-R without a prefix space", both(xlm_roberta, tok(add_prefix_space=False))),
    V("XLM-R normalizer", both(xlm_roberta, part("normalizer", {"type": "Lowercase"}))),
    V("XLM-R pre_tokenizer", both(xlm_roberta, part("pre_tokenizer", None))),
    V("XLM-R post_processor", both(xlm_roberta, part("post_processor", None))),
    V("XLM-R other bos_token", both(xlm_roberta, tok(bos_token="<pad>"))),
    V("XLM-R new eos_token", both(xlm_roberta, tok(eos_token="<new>"))),
    V("XLM-R lower-cased", both(xlm_roberta, sbert(do_lower_case=True))),
    V("XLM-R added tokens", both(xlm_roberta, tok(additional_special_tokens=["[NEW]"]))),
    V(
        "XLM-R token types",
        both(xlm_roberta, tok(model_input_names=["input_ids", "token_type_ids", "attention_mask"])),
    ),
    V("XLM-R as it is", both(xlm_roberta, plain())),
    V("XLM-R as it is, lower-cased", both(xlm_roberta, plain(), part("normalizer", {"type": "Lowercase"}))),
    V("XLM-R, class Fast", both(xlm_roberta, tok(tokenizer_class="XLMRobertaTokenizerFast"))),
    V("XLM-R as BERT", both(xlm_roberta, tok(tokenizer_class="BertTokenizer")), "Unigram"),
    V("XLM-R, unknown token moved", both(xlm_roberta, tok(unk_token="<pad>")), "unk_token"),
]
FURTHER = [
    V("left cut of pairs of words", both(tok(truncation_side="left"), sbert(max_seq_length=5))),
    V("left cut in the middle of a word", both(tok(truncation_side="left"), sbert(max_seq_length=4))),
    V(
        "left cut, cls pooling",
        both(tok(truncation_side="left"), pooling(embedding_dimension=WIDTH, pooling_mode="cls")),
    ),
    V(
        "left cut, last token",
        both(tok(truncation_side="left"), pooling(embedding_dimension=WIDTH, pooling_mode="lasttoken")),
    ),
    V(
        "left cut with a prompt",
        both(tok(truncation_side="left"), settings(prompts={"query": "a b c ", "document": "d e "})),
    ),
    V("left cut of vocab.txt", both(old_vocabulary, tok(truncation_side="left"))),
    V("left cut, plain, no normalizer", both(plain(truncation_side="left"), part("normalizer", None))),
    V("prompt longer than the limit", settings(prompts={"query": "a b c d e f g h i j k l m n o p q r "})),
    V("truncate_dim of a Dense", both(modules("Transformer", "Pooling", "Dense"), settings(truncate_dim=3))),
    V(
        "truncate_dim of two poolings",
        both(pooling(embedding_dimension=WIDTH, pooling_mode=["mean", "cls"]), settings(truncate_dim=20)),
    ),
    V("truncate_dim text null prompt", settings(truncate_dim=4, prompts={"query": None, "x": "a "})),
    V("truncate_dim float", settings(truncate_dim=4.0), "truncate_dim"),
    V("truncate_dim true", settings(truncate_dim=True), "truncate_dim"),
    V("truncate_dim negative", settings(truncate_dim=-2), "truncate_dim"),
    V(
        "tokenizer_args cased and left",
        sbert(tokenizer_args={"do_lower_case": False, "truncation_side": "left", "strip_accents": True}),
    ),
    V(
        "tokenizer_args and processor_kwargs",
        sbert(tokenizer_args={"do_lower_case": False}, processor_kwargs={"do_lower_case": True}),
    ),
    V(
        "config_args and config_kwargs",
        sbert(config_args={"hidden_act": "relu"}, config_kwargs={"hidden_act": "gelu"}),
    ),
    V("tokenizer_args padding_side", sbert(tokenizer_args={"padding_side": "left"}), "padding_side"),
    V(
        "tokenizer_args tokenizer_class",
        sbert(tokenizer_args={"tokenizer_class": "PreTrainedTokenizerFast"}),
        "tokenizer_class",
    ),
    V("tokenizer_args special token", sbert(tokenizer_args={"cls_token": "[MASK]"})),
    V("tokenizer_args new token", sbert(tokenizer_args={"additional_special_tokens": ["[NEW]"]})),
    V("config_args type_vocab_size", sbert(config_args={"type_vocab_size": 3}), "token_type"),
    V("config_args heads", sbert(config_args={"num_attention_heads": 8})),
    V("config_args positions", sbert(config_args={"max_position_embeddings": 20}), "position_embeddings"),
    V("config_args output_hidden_states", sbert(config_args={"output_hidden_states": True})),
    V("config_args model_type", sbert(config_args={"model_type": "modernbert"}), "model_type"),
    V("model_args attention", sbert(model_args={"attn_implementation": "sdpa"})),
    V("model_args null", sbert(model_args=None), "model_args"),
    V("config_kwargs null", sbert(config_kwargs=None), "config_kwargs"),
    V("processor_kwargs null", sbert(processor_kwargs=None), "processor_kwargs"),
    V("processing_kwargs text null", sbert(processing_kwargs={"text": None})),
    V("processing_kwargs max_length null", sbert(processing_kwargs={"text": {"max_length": None}})),
    V("processing_kwargs max_length beyond", sbert(processing_kwargs={"text": {"max_length": 30}})),
    V(
        "processing_kwargs max_length text",
        sbert(processing_kwargs={"text": {"max_length": "6"}}),
        "max_length",
    ),
    V(
        "processing_kwargs truncation longest_first true",
        sbert(processing_kwargs={"common": {"truncation": True}}),
    ),
    V(
        "processing_kwargs truncation null",
        sbert(processing_kwargs={"text": {"truncation": None}}),
        "truncation",
    ),
    V("processing_kwargs padding false", sbert(processing_kwargs={"text": {"padding": False}}), "padding"),
    V(
        "processing_kwargs return_tensors np",
        sbert(processing_kwargs={"common": {"return_tensors": "np"}}),
        "return_tensors",
    ),
    V(
        "sentence_bert_config.json null lengths",
        sbert(query_length=None, document_length=None, max_seq_length=9),
    ),
    V(
        "sentence_bert_config.json not json",
        write_file("sentence_bert_config.json", "{"),
        "sentence_bert_config.json",
    ),
    V(
        "sentence_bert_config.json a list",
        write_file("sentence_bert_config.json", []),
        "sentence_bert_config.json",
    ),
    V("modules.json an object", write_file("modules.json", {}), "modules.json"),
    V("tokenizer_config.json a list", write_file("tokenizer_config.json", []), "tokenizer_config.json"),
    V(
        "config_sentence_transformers.json not json",
        write_file("config_sentence_transformers.json", "x"),
        "config_sentence_transformers.json",
    ),
    V(
        "special_tokens_map.json not json",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("special_tokens_map.json", "x"),
        ),
        "special_tokens_map.json",
    ),
    V(
        "added_tokens.json of strings",
        both(
            edit("tokenizer_config.json", remove=("added_tokens_decoder",)),
            write_file("added_tokens.json", {"[NEW]": "91"}),
        ),
        "added_tokens.json",
    ),
    V("eos_token and bos_token", tok(eos_token="[SEP]", bos_token="[CLS]")),
    V("new eos_token", tok(eos_token="[NEW]")),
    V("special token with lstrip", tok(mask_token={"__type": "AddedToken", **token("[MASK]", lstrip=True)})),
    V(
        "mask with lstrip in the decoder",
        decoder_with(**{"4": token("[MASK]", special=True, lstrip=True, rstrip=True)}),
    ),
    V("decoder with a changed special token", decoder_with(**{"2": token("[CLS]", special=False)})),
    V("decoder without special tokens", tok(added_tokens_decoder={str(NEW): token("[NEW]")})),
    V("decoder with flags missing", tok(added_tokens_decoder={str(NEW): {"content": "[NEW]"}})),
    V("decoder with an unknown flag", tok(added_tokens_decoder={str(NEW): {**token("[NEW]"), "xyz": 1}})),
    V("decoder with an id that is no number", tok(added_tokens_decoder={"x": token("[NEW]")}), "tokenizer"),
    V(
        "extra_special_tokens of objects",
        tok(extra_special_tokens=[{"__type": "AddedToken", **token("[NEW]")}]),
    ),
    V("extra_special_tokens null", tok(extra_special_tokens=None)),
    V("additional_special_tokens empty", tok(additional_special_tokens=[])),
    V("additional and extra", tok(additional_special_tokens=["[NEW]"], extra_special_tokens=["[xyz]"])),
    V("model_specific_special_tokens", tok(model_specific_special_tokens={"a_token": "[NEW]"})),
    V("token attribute that is no text", tok(my_token=3)),
    V("lower-cased twice", both(sbert(do_lower_case=True), tok(do_lower_case=True))),
    V(
        "lower-cased first, accents kept",
        both(sbert(do_lower_case=True), tok(do_lower_case=False, strip_accents=False)),
    ),
    V(
        "lower-cased first, with added tokens",
        both(
            sbert(do_lower_case=True),
            tok(do_lower_case=False),
            decoder_with(**{f"_{NEW}": token("[NEW]", normalized=True)}),
        ),
    ),
    V(
        "vocab.txt without a newline at its end",
        both(old_vocabulary, write_file("vocab.txt", "\n".join(WORDS))),
    ),
    V("vocab.txt with spaces", both(old_vocabulary, write_file("vocab.txt", " \n".join(WORDS) + "\n"))),
    V(
        "vocab.txt with more words than the model",
        both(old_vocabulary, write_file("vocab.txt", "\n".join([*WORDS, *"123456789"]) + "\n")),
        "vocab.txt",
    ),
    V("vocab.txt a pointer", both(old_vocabulary, write_file("vocab.txt", LFS)), "git lfs pull"),
    V("vocab.txt and shards", both(old_vocabulary, sharded(3))),
    V("config.json a pointer", write_file("config.json", LFS), "git lfs pull"),
    V("modules.json a pointer", write_file("modules.json", LFS), "git lfs pull"),
    V("index a pointer", both(sharded(2), write_file("model.safetensors.index.json", LFS)), "git lfs pull"),
    V("prefix model.bert.", prefixed("model.bert."), warns="model.", is_lost=True),
    V(
        "prefix bert. and gamma, shards",
        both(
            renamed("LayerNorm.weight", "LayerNorm.gamma"),
            renamed("LayerNorm.bias", "LayerNorm.beta"),
            prefixed("bert."),
            sharded(3),
        ),
    ),
    V(
        "only some gammas",
        tensors(
            lambda t: {
                n.replace("LayerNorm.weight", "LayerNorm.gamma") if "layer.0" in n else n: x
                for n, x in t.items()
            }
        ),
    ),
    V("bfloat16 with prefix", both(prefixed("bert."), as_torch("bfloat16")), is_float32=True),
    V(
        "integer tensor",
        tensors(
            lambda t: {n: x.astype("int32") if n == "embeddings.LayerNorm.bias" else x for n, x in t.items()}
        ),
        "dtype",
    ),
    V("no pooling of 0_Transformer", both(in_folder, delete("1_Pooling")), "1_Pooling"),
    V(
        "0_Transformer with prompts and Dense",
        both(
            modules("Transformer", "Pooling", "Dense", "Normalize"),
            settings(prompts={"query": "a "}, truncate_dim=5),
            in_folder,
        ),
    ),
    V("0_Transformer without tokenizer_config", both(delete("tokenizer_config.json"), in_folder)),
    V(
        "0_Transformer with another name of its settings",
        both(
            delete("sentence_bert_config.json"),
            write_file("sentence_roberta_config.json", {"max_seq_length": 6}),
            in_folder,
        ),
    ),
    V(
        "LayerNorm in another place",
        modules("Transformer", "Pooling", "LayerNorm", "Dense", "Dropout", "Normalize", "Normalize"),
    ),
    V(
        "LayerNorm extra tensor",
        both(
            modules("Transformer", "Pooling", "LayerNorm"),
            tensors(lambda t: {**t, "x": t["norm.bias"]}, "2_LayerNorm/model.safetensors"),
        ),
        "unexpected: x",
    ),
    V(
        "Dense float16",
        both(
            modules("Transformer", "Pooling", "Dense"),
            tensors(lambda t: {n: x.astype("float16") for n, x in t.items()}, "2_Dense/model.safetensors"),
        ),
        is_float32=True,
    ),
    V(
        "Dense after two poolings",
        both(
            modules("Transformer", "Pooling", "Dense"),
            pooling(embedding_dimension=WIDTH, pooling_mode=["mean", "max"]),
        ),
        "2_Dense",
    ),
    V(
        "modules.json of version 6",
        both(
            modules(
                "Transformer",
                "Pooling",
                "Normalize",
                prefix="sentence_transformers.sentence_transformer.modules.",
            ),
            sbert(
                transformer_task="feature-extraction",
                modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                module_output_name="token_embeddings",
            ),
            settings(
                model_type="SentenceTransformer",
                __version__={"sentence_transformers": "6.2.0", "transformers": "5.0", "pytorch": "2"},
                prompts={"query": "", "document": ""},
                default_prompt_name=None,
                similarity_fn_name="cosine",
            ),
        ),
    ),
    V("Router", modules("Transformer", "Router", "Pooling"), "Router"),
    V("Asym", modules("Asym", "Pooling"), "Asym"),
    V("BoW", modules("BoW"), "BoW"),
    V("StaticEmbedding", modules("StaticEmbedding"), "StaticEmbedding"),
    V("problem_type regression", bert(problem_type="regression", id2label={"0": "x"}, label2id={"x": 0})),
    V(
        "problem_type single label with one",
        bert(problem_type="single_label_classification", id2label={"0": "x"}, label2id={"x": 0}),
        "problem_type",
    ),
    V("vocab_size float", bert(vocab_size=float(SIZE)), "vocab_size"),
    V("num_hidden_layers 0", bert(num_hidden_layers=0), "num_hidden_layers"),
    V("layer_norm_eps 0.0", bert(layer_norm_eps=0.0), "layer_norm_eps"),
    V("max_position_embeddings null", bert(max_position_embeddings=None), "max_position_embeddings"),
    V("architectures ForCausalLM", bert(architectures=["LlamaForCausalLM"])),
    V("architectures a classifier", bert(architectures=["BertForSequenceClassification"])),
    V("rope and other models' keys", bert(rope_theta=10000.0, sliding_window=3), warns="sliding_window"),
    V("is_causal false", bert(is_causal=False), warns="is_causal"),
    V("is_causal true", bert(is_causal=True), warns="is_causal"),
    V("emb_size", bert(embedding_size=8), warns="embedding_size"),
]

SENTENCE_ENCODERS = [
    *CONFIG,
    *SBERT,
    *SETTINGS,
    *TOKENIZER_CONFIG,
    *PLAIN,
    *VOCABULARY,
    *MODULES,
    *POOLING,
    *DENSE,
    *WEIGHTS,
    *FURTHER,
    *MULTILINGUAL,
]


def version_6(*names: str, **task: Any) -> Change:
    def change(directory: Path) -> None:
        write(
            directory / "modules.json",
            [
                {
                    "idx": i,
                    "name": str(i),
                    "path": "" if not i else f"{i}_{n}",
                    "type": "sentence_transformers.base.modules.transformer.Transformer"
                    if not i
                    else "sentence_transformers.models." + n,
                }
                for i, n in enumerate(names)
            ],
        )
        write(
            directory / "sentence_bert_config.json",
            {
                "transformer_task": "sequence-classification",
                "module_output_name": "scores",
                "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
                **task,
            },
        )
        settings(model_type="CrossEncoder")(directory)

    return change


ACTIVATION = "sbert_ce_default_activation_function"
CROSS_ENCODERS = [
    V("XLM-R", xlm_roberta),
    V("XLM-R cut on the left", both(xlm_roberta, tok(truncation_side="left"))),
    V("left cut, long pairs", tok(truncation_side="left", model_max_length=7)),
    V("right cut, long pairs", tok(model_max_length=7)),
    V("truncate_dim", settings(truncate_dim=3)),
    V("0_Transformer", both(version_6("Transformer", max_seq_length=9), in_folder)),
    V("vocab.txt and shards", both(old_vocabulary, sharded(2))),
    V(
        "return_attention_mask",
        version_6("Transformer", processing_kwargs={"text": {"return_attention_mask": False}}),
        "return_attention_mask",
    ),
    V("as saved", both()),
    *(
        V(f"activation {name}", bert(sentence_transformers={"activation_fn": name}))
        for name in (
            "torch.nn.modules.linear.Identity",
            "torch.nn.modules.activation.Sigmoid",
            "torch.nn.modules.activation.Tanh",
            "torch.nn.modules.activation.ReLU",
            "torch.nn.modules.activation.GELU",
            "torch.nn.Sigmoid",
        )
    ),
    *(
        V(f"old activation {name}", bert(**{ACTIVATION: name}))
        for name in ("torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Tanh")
    ),
    V(
        "activation softmax",
        bert(sentence_transformers={"activation_fn": "torch.nn.modules.activation.Softmax"}),
    ),
    V("old activation softmax", bert(**{ACTIVATION: "torch.nn.modules.activation.Softmax"})),
    V("activation ELU", bert(sentence_transformers={"activation_fn": "torch.nn.ELU"}), "activation_fn"),
    V("activation untrusted", bert(sentence_transformers={"activation_fn": "my.Act"}), "activation_fn"),
    V("activation untrusted Tanh", bert(sentence_transformers={"activation_fn": "my.Tanh"}), "activation_fn"),
    V("activation null", bert(sentence_transformers={"activation_fn": None}), ""),
    V("old activation null", bert(**{ACTIVATION: None})),
    V(
        "both activations",
        bert(sentence_transformers={"activation_fn": "torch.nn.Identity"}, **{ACTIVATION: "torch.nn.Tanh"}),
    ),
    V("version only", bert(sentence_transformers={"version": "4.0.1"})),
    V(
        "version only and old activation",
        bert(sentence_transformers={"version": "4.0.1"}, **{ACTIVATION: "torch.nn.Identity"}),
    ),
    V(
        "config_sentence_transformers.json without modules.json",
        settings(
            activation_fn="torch.nn.Identity",
            prompts={"query": "a "},
            default_prompt_name="query",
            model_type="CrossEncoder",
        ),
    ),
    V("sentence_bert_config.json without modules.json", sbert(max_seq_length=7)),
    V("version 6", version_6("Transformer")),
    V(
        "version 6 activation",
        both(version_6("Transformer"), settings(activation_fn="torch.nn.Identity")),
    ),
    V("version 6 activation null", both(version_6("Transformer"), settings(activation_fn=None))),
    V(
        "version 6 both activations",
        both(
            version_6("Transformer"),
            settings(activation_fn="torch.nn.Identity"),
            bert(sentence_transformers={"activation_fn": "torch.nn.Tanh"}),
        ),
    ),
    V(
        "version 6 prompts",
        both(
            version_6("Transformer"),
            settings(prompts={"query": "a b "}, default_prompt_name="query"),
        ),
    ),
    V("version 6 length", version_6("Transformer", max_seq_length=9)),
    V(
        "version 6 lower case",
        both(tok(do_lower_case=False), version_6("Transformer", do_lower_case=True)),
    ),
    V(
        "version 6 processing_kwargs",
        version_6("Transformer", processing_kwargs={"text": {"max_length": 9}}),
    ),
    V(
        "version 6 only_second",
        version_6("Transformer", processing_kwargs={"text": {"truncation": "only_second"}}),
        "truncation",
    ),
    V(
        "version 6 without task",
        version_6("Transformer", transformer_task="feature-extraction"),
        "transformer_task",
    ),
    V(
        "version 6 keep_in_fp32_modules",
        both(version_6("Transformer"), settings(keep_in_fp32_modules=[])),
    ),
    V("version 6 with Dense", both(version_6("Transformer", "Dense")), "Dense"),
    V(
        "version 6 without model_type",
        both(
            version_6("Transformer", max_seq_length=9),
            settings(
                model_type="SentenceTransformer",
                activation_fn="torch.nn.Identity",
                prompts={"query": "a"},
                default_prompt_name="query",
            ),
        ),
    ),
    V("truncation_side left", tok(truncation_side="left")),
    V("direction Left", part("truncation", truncation("Left"))),
    V("padding_side left", tok(padding_side="left"), "padding_side"),
    V("do_lower_case false", tok(do_lower_case=False)),
    V("model_max_length", tok(model_max_length=9)),
    V("no model_max_length", edit("tokenizer_config.json", remove=("model_max_length",))),
    V("model_input_names without types", tok(model_input_names=["input_ids", "attention_mask"])),
    V(
        "model_input_names with types",
        plain(model_input_names=["input_ids", "token_type_ids", "attention_mask"]),
    ),
    *(
        V(f"tokenizer_class {name}", tok(tokenizer_class=name))
        for name in (
            "PreTrainedTokenizerFast",
            "BertTokenizerFast",
            "TokenizersBackend",
            "DistilBertTokenizer",
            "ElectraTokenizer",
            "ConvBertTokenizer",
        )
    ),
    V("no tokenizer_class", edit("tokenizer_config.json", remove=("tokenizer_class",))),
    V("no tokenizer_config.json", delete("tokenizer_config.json")),
    V(
        "pair template",
        part(
            "post_processor",
            changed(pair=[{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]),
        ),
    ),
    V(
        "plain: pair template",
        both(
            plain(model_input_names=["input_ids", "token_type_ids", "attention_mask"]),
            part("post_processor", TEMPLATE),
        ),
    ),
    V("vocab.txt", old_vocabulary),
    V("no architectures", bert(architectures=None)),
    V("other architectures", bert(architectures=["BertModel"])),
    V(
        "three labels without architectures",
        bert(architectures=None, id2label={"0": "a", "1": "b", "2": "c"}),
    ),
    V("num_labels", edit("config.json", remove=("id2label", "label2id"), num_labels=1)),
    V("num_labels beside id2label", bert(num_labels=1)),
    V("num_labels against id2label", bert(num_labels=3), "classifier"),
    V("no labels named", edit("config.json", remove=("id2label", "label2id")), "classifier"),
    V("id2label null", bert(id2label=None, label2id=None), "classifier"),
    V("label2id only", edit("config.json", remove=("id2label",)), "classifier"),
    V("two labels of a one-label head", bert(id2label={"0": "a", "1": "b"}), "classifier"),
    V("classifier_dropout", bert(classifier_dropout=0.5)),
    V("problem_type", bert(problem_type="multi_label_classification")),
    V("no pooler", tensors(lambda t: {n: x for n, x in t.items() if "pooler" not in n}), "pooler"),
    V(
        "gamma and beta",
        both(renamed("LayerNorm.weight", "LayerNorm.gamma"), renamed("LayerNorm.bias", "LayerNorm.beta")),
    ),
    V("shards", sharded(3)),
    V("float16", as_torch("float16"), is_float32=True),
    V("without the prefix", tensors(lambda t: {n.removeprefix("bert."): x for n, x in t.items()})),
    V("prefix model.", prefixed("model."), warns="model.", is_lost=True),
    V("foreign tensor", more(my__extra=(3,)), warns="my.extra"),
    V("masked-LM head", more(cls__predictions__bias=(66,))),
    V("hidden_act relu", bert(hidden_act="relu")),
    V("without layer_norm_eps", without("layer_norm_eps", "type_vocab_size")),
    V("unknown key of config", bert(xyz=1), warns="xyz"),
    V("added_tokens_decoder", decoder_with(**{f"_{NEW}": token("[NEW]")})),
]
