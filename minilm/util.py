"""What ``sentence_transformers.util`` has for inference, under the same names, for arrays and for tensors."""

from __future__ import annotations

import sys

from minilm import quantization, similarity
from minilm.hub.http import http_get
from minilm.quantization import (
    quantize_embeddings,
    semantic_search_faiss,
    semantic_search_usearch,
    truncate_embeddings,
)
from minilm.search import (
    community_detection,
    information_retrieval,
    paraphrase_mining,
    paraphrase_mining_embeddings,
    semantic_search,
)
from minilm.similarity import (
    SimilarityFunction,
    cos_sim,
    dot_score,
    euclidean_sim,
    manhattan_sim,
    maxsim,
    maxsim_pairwise,
    normalize_embeddings,
    pairwise_angle_sim,
    pairwise_cos_sim,
    pairwise_dot_score,
    pairwise_euclidean_sim,
    pairwise_manhattan_sim,
)

pytorch_cos_sim = cos_sim  # the former name

# `from minilm.util.similarity import cos_sim` and its like, the paths that sentence-transformers has
sys.modules[f"{__name__}.similarity"] = similarity
sys.modules[f"{__name__}.quantization"] = quantization

__all__ = [
    "SimilarityFunction",
    "community_detection",
    "cos_sim",
    "dot_score",
    "euclidean_sim",
    "http_get",
    "information_retrieval",
    "manhattan_sim",
    "maxsim",
    "maxsim_pairwise",
    "normalize_embeddings",
    "pairwise_angle_sim",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pairwise_euclidean_sim",
    "pairwise_manhattan_sim",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "pytorch_cos_sim",
    "quantization",
    "quantize_embeddings",
    "semantic_search",
    "semantic_search_faiss",
    "semantic_search_usearch",
    "similarity",
    "truncate_embeddings",
]
