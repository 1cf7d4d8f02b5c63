"""The keys of a checkpoint's JSON files: obeyed, without effect on inference, or refused.

One table per file. The effect of each key is that in sentence-transformers 6 and transformers 5. A key that
no table names is reported by a CheckpointWarning, or refused where the original does not load such a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from minilm.variants import BUCKETS, VARIANTS


class Keys(NamedTuple):
    """What minilm does with each key of one file."""

    obeyed: frozenset[str]
    without_effect: frozenset[str] = frozenset()
    only: Mapping[str, tuple[object, ...]] = {}  # the values that are supported; all others are refused
    not_null: frozenset[str] = frozenset()  # elsewhere null counts as a missing key
    refuses_unknown: bool = False
    suffix: str = ""  # further names that are obeyed: those that end like this


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Arguments of from_pretrained that say where files are; the place of the checkpoint replaces them.
_PLACES = "cache_dir local_files_only revision subfolder token trust_remote_code"

CONFIG = Keys(
    obeyed=_names(
        "architectures hidden_act hidden_size id2label intermediate_size layer_norm_eps "
        "max_position_embeddings num_attention_heads num_hidden_layers num_labels problem_type "
        "sbert_ce_default_activation_function sentence_transformers tokenizer_class type_vocab_size "
        "vocab_size"
    ),
    # Training, text generation, the library's own return values, classifiers' names, and number formats.
    without_effect=_names(
        "_attn_implementation _attn_implementation_autoset _commit_hash _name_or_path "
        "attention_probs_dropout_prob attn_implementation auto_map bad_words_ids begin_suppress_tokens "
        "bos_token_id chunk_size_feed_forward custom_pipelines classifier_dropout cls_token_id "
        "cross_attention_hidden_size decoder_start_token_id directionality diversity_penalty do_sample "
        "dtype early_stopping encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty "
        "finetuning_task forced_bos_token_id forced_eos_token_id gradient_checkpointing "
        "hidden_dropout_prob initializer_range is_encoder_decoder label2id length_penalty mask_token_id "
        "max_length min_length model_max_length no_repeat_ngram_size num_beam_groups num_beams "
        "num_return_sequences output_attentions output_hidden_states output_past output_scores "
        "pad_token_id pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head "
        "pooler_type prefix pruned_heads remove_invalid_values repetition_penalty return_dict "
        "return_dict_in_generate sep_token_id suppress_tokens task_specific_params temperature "
        "tf_legacy_loss tie_encoder_decoder tie_word_embeddings top_k top_p torch_dtype torchscript "
        "transformers_version trust_remote_code typical_p use_bfloat16 use_cache"
    ),
    only={
        "model_type": tuple(VARIANTS),
        "position_embedding_type": ("absolute", None),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
        "quantization_config": (None,),
    },
)

# What has another effect than in BERT's config.json.
ROBERTA = Keys(_names("pad_token_id"))
MPNET = Keys(
    frozenset(),
    without_effect=_names("type_vocab_size"),
    only={"relative_attention_num_buckets": (BUCKETS,)},  # the original computes 32, whatever the table has
)
DISTILBERT = Keys(
    frozenset(VARIANTS["distilbert"].fields.values()),
    without_effect=_names(
        "attention_dropout dropout layer_norm_eps qa_dropout seq_classif_dropout sinusoidal_pos_embds "
        "tie_weights_ type_vocab_size"
    ),
)
_FAMILIES = {"roberta": ROBERTA, "xlm-roberta": ROBERTA, "mpnet": MPNET, "distilbert": DISTILBERT}


def config_keys(model_type: object) -> Keys:
    """The keys of a family's ``config.json``: BERT's, but for those that have another effect."""
    own = _FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if own is None:
        return CONFIG
    named = own.obeyed | own.without_effect | own.only.keys()
    return CONFIG._replace(
        obeyed=CONFIG.obeyed - named | own.obeyed,
        without_effect=CONFIG.without_effect - named | own.without_effect,
        only={**CONFIG.only, **own.only},
    )


TRANSFORMER = Keys(  # sentence_bert_config.json, or one of its older names
    obeyed=_names(
        "config_args config_kwargs do_lower_case max_seq_length modality_config model_args model_kwargs "
        "module_output_name processing_kwargs processor_kwargs tokenizer_args transformer_task"
    ),
    without_effect=_names("unpad_inputs"),
    only=dict.fromkeys(
        _names("document_length query_expansion query_length tokenizer_name_or_path"), (None,)
    ),
    not_null=_names("config_args config_kwargs model_args model_kwargs processor_kwargs tokenizer_args"),
    refuses_unknown=True,
)
TOKEN_TRANSFORMER = Keys(_names("document_length query_expansion query_length"))  # of a MultiVectorEncoder
QUERY_EXPANSION = Keys(_names("attend length strategy token"), refuses_unknown=True)


def transformer_keys(is_multi_vector: bool) -> Keys:
    """The keys of ``sentence_bert_config.json``: only a MultiVectorEncoder tells queries from documents."""
    own = TOKEN_TRANSFORMER.obeyed if is_multi_vector else frozenset()
    only = {name: values for name, values in TRANSFORMER.only.items() if name not in own}
    return TRANSFORMER._replace(obeyed=TRANSFORMER.obeyed | own, only=only)


# What sentence_bert_config.json may hold for others. model_kwargs and tokenizer_args are arguments of a model
# and of a tokenizer; text is how the tokenizer is called.
MODEL_KWARGS = Keys(
    obeyed=frozenset(),
    without_effect=_names(
        f"{_PLACES} add_pooling_layer attn_implementation dtype low_cpu_mem_usage torch_dtype use_safetensors"
    ),
    refuses_unknown=True,
)
PROCESSING_KWARGS = Keys(_names("text common"), without_effect=_names("audio chat_template image video"))
TEXT_KWARGS = Keys(
    obeyed=_names("max_length"),
    without_effect=_names("pad_to_multiple_of verbose"),
    only={
        "truncation": (True, "longest_first"),
        "padding": (True, "longest", "max_length"),
        "return_tensors": ("pt",),
        "add_special_tokens": (True,),
        "padding_side": ("right", None),
        "stride": (0,),
        "return_attention_mask": (True, None),
    },
    refuses_unknown=True,
)

SENTENCE_TRANSFORMERS = Keys(  # config_sentence_transformers.json
    obeyed=_names(
        "activation_fn default_prompt_name max_active_dims model_type prompts similarity_fn_name truncate_dim"
    ),
    without_effect=_names("__version__ keep_in_fp32_modules"),
    only={"requirements": (None,)},
    not_null=_names("__version__ model_type prompts"),
)

# What PyLate and ColBERT's own code write there, and sentence-transformers' MultiVectorEncoder translates.
PYLATE = _names(
    "attend_to_expansion_tokens attend_to_mask_tokens do_query_expansion document_length document_prefix "
    "query_expansion query_length query_prefix skiplist_words"
)

TOKENIZER = Keys(  # tokenizer_config.json
    obeyed=_names(
        "add_prefix_space added_tokens_decoder additional_special_tokens do_lower_case "
        "extra_special_tokens max_len model_input_names model_specific_special_tokens "
        "model_max_length strip_accents "
        "tokenize_chinese_chars tokenizer_class trim_offsets truncation_side"
    ),
    # Decoding, padding by the right amount, the Python tokenizers of older versions, chats, and paths.
    without_effect=_names(
        f"{_PLACES} _commit_hash add_bos_token add_eos_token add_special_tokens auto_map backend "
        "chat_template clean_up_tokenization_spaces "
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output do_basic_tokenize errors "
        "files_loaded is_local legacy max_length merges_file name_or_path never_split pad_to_multiple_of "
        "pad_token_type_id padding processor_class sp_model_kwargs special_tokens_map_file stride "
        "tokenizer_file truncation truncation_strategy use_fast verbose vocab_file wordpieces_prefix"
    ),
    only={"padding_side": ("right",), "split_special_tokens": (False,), "init_inputs": ([], None)},
    not_null=_names(
        "added_tokens_decoder cls_token do_lower_case model_input_names pad_token padding_side sep_token "
        "tokenize_chinese_chars truncation_side unk_token"
    ),
    suffix="_token",
)

MODULE = Keys(  # an entry of modules.json
    obeyed=_names("name path type"),
    without_effect=_names("idx"),
    only={"kwargs": ([], {}, None)},
    refuses_unknown=True,
)
POOLING = Keys(
    obeyed=_names("embedding_dimension pooling_mode word_embedding_dimension"),
    only={"include_prompt": (True,)},
    refuses_unknown=True,
)
SPLADE_POOLING = Keys(
    obeyed=_names("activation_function pooling_strategy"),
    # parts of a batch, whose vectors are the same in any part
    without_effect=_names("chunk_size embedding_dimension word_embedding_dimension"),
    refuses_unknown=True,
)
_SENTENCE_EMBEDDING = ("sentence_embedding",)
_MODULE_NAMES = {
    "module_input_name": _SENTENCE_EMBEDDING,
    "module_output_name": (*_SENTENCE_EMBEDDING, None),
}
DENSE = Keys(
    obeyed=_names("activation_function bias in_features out_features"),
    only={"use_residual": (False, None), **_MODULE_NAMES},
)
NORMALIZE = Keys(obeyed=frozenset(), only=_MODULE_NAMES)

# Of a MultiVectorEncoder, whose modules work on token vectors.
_TOKEN_EMBEDDINGS = ("token_embeddings",)
_TOKEN_MODULE_NAMES = {
    "module_input_name": _TOKEN_EMBEDDINGS,
    "module_output_name": (*_TOKEN_EMBEDDINGS, None),
}
TOKEN_DENSE = DENSE._replace(only={**DENSE.only, **_TOKEN_MODULE_NAMES})
TOKEN_NORMALIZE = Keys(obeyed=frozenset(), only=_TOKEN_MODULE_NAMES)
MULTI_VECTOR_MASK = Keys(_names("keep_only_token_ids skiplist_tasks skiplist_words"), refuses_unknown=True)
LAYER_NORM = Keys(obeyed=_names("dimension"), refuses_unknown=True)
DROPOUT = Keys(obeyed=frozenset(), without_effect=_names("dropout"), refuses_unknown=True)
