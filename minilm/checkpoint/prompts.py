"""Prompts, the similarity function and the width of the embeddings that a checkpoint asks for.

sentence-transformers keeps them in ``config_sentence_transformers.json``, beside the encoder's configuration.
"""

from __future__ import annotations

from typing import NamedTuple

from minilm.checkpoint.files import Fields, quoted
from minilm.similarity import SIMILARITY


class PromptFields(NamedTuple):
    """The prompts by name, with "query" and "document", and the settings that choose among names."""

    prompts: dict[str, str]
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"
    truncate_dim: int | None = None


def read_prompts(fields: Fields) -> PromptFields:
    """Read ``config_sentence_transformers.json``; a missing file or a null field means the defaults.

    As in sentence-transformers, the prompts "query" and "document" exist in any case, if only as "".
    """
    prompts = {"query": "", "document": ""}
    for name, text in (fields.optional("prompts", dict) or {}).items():
        if not isinstance(text, str | None):
            raise fields.error(f"prompts must map names to texts, not {quoted(fields.values['prompts'])}")
        try:
            (name + (text or "")).encode()
        except UnicodeEncodeError:
            raise fields.error(f"the prompt {quoted(name)} holds a lone surrogate") from None
        if text is not None:
            prompts[name] = text
    has_default = "default_prompt_name" in fields.values
    return PromptFields(
        prompts,
        fields.one_of("default_prompt_name", prompts, default="") if has_default else None,
        fields.one_of("similarity_fn_name", SIMILARITY, default="cosine"),
        fields.positive_int("truncate_dim") if "truncate_dim" in fields.values else None,
    )
