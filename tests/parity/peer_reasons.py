"""Why a test of sentence-transformers does not apply to minilm: patterns of names, and the reasons."""

from __future__ import annotations

import re

_REASONS = {
    "the error is the same, in other words": (
        r"test_prompts$|test_save_load_prompts|test_encode_quantization\[error|test_rank_multiple_labels"
        r"|test_similarity_fn_name_rejects_multi_vector_names"
    ),
    "it makes or changes a model out of torch's modules": (
        r"test_load_local_without_normalize_directory|test_get_model_kwargs|transformers_model_property"
        r"|test_encode_routes_through_module_call|test_predict_routes_through_module_call"
        r"|dense_scores_module|ignores_dense_without_scores_output|none_without_transformer"
        r"|activation_fn_without_transformer|test_predict_batch_size_1|test_empty_predict"
        r"|test_parse_model_config|test_load_with_model_kwargs"
    ),
    "a classifier with random weights, for training": (
        r"test_num_labels_fresh_model|test_load_activation_fn_from_kwargs|cross_encoder.*test_load_with_revision"
        r"|cross_encoder.*test_conversion_ignores|test_classifier_dropout"
    ),
    "minilm does not turn a cross-encoder into an embedder": r"sentence_transformer.*test_conversion_ignores",
    "it computes in bfloat16; minilm computes in float32": r"test_bfloat16|low_precision_logits",
    "minilm writes no model cards, and uploads nothing": r"test_push_to_hub|test_model_card",
    "refused by name: prompts are pooled as well": r"test_prompt_length_calculation",
    "refused by name: the length of texts is that of the model": (
        r"per_call_processing_kwargs|test_logger_warning"
    ),
    "refused by name: Python code of the user's as an activation function": (
        r"test_load_activation_fn_from_config_custom"
    ),
    "the activation functions are numpy's, and have no torch class": r"test_default_activation_fn$",
    "a score of several vectors per text, of MultiVectorEncoder": r"test_mean_maxsim",
    "the pool is this process, so that a pool gives the same bits as no pool": (
        r"test_encode_multi_process\[retrieval-True\]"
    ),
}


def reason_for(name: str) -> str | None:
    """Return why a test does not apply; None if no reason is known."""
    return next((reason for reason, pattern in _REASONS.items() if re.search(pattern, name)), None)
