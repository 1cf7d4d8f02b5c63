"""Prompts and the similarity function of a checkpoint.

sentence-transformers keeps them in ``config_sentence_transformers.json``, beside the encoder's configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from minilm.checkpoint.files import Fields, quoted
from minilm.similarity import SIMILARITY


class PromptFields(NamedTuple):
    """Prompts by name, the default prompt's name, and the name of the similarity function.

    The prompts "query" and "document" always exist, as in sentence-transformers. They are empty unless the
    checkpoint sets them.
    """

    prompts: dict[str, str]
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"


def read_prompts(directory: Path) -> PromptFields:
    """Read ``config_sentence_transformers.json``; a missing file or a null field means the defaults.

    Raises
    ------
    CheckpointError
        If the file is not JSON, a prompt is not text, the default prompt does not exist, or the similarity
        function is unknown.
    """
    fields = Fields(directory / "config_sentence_transformers.json", optional=True)
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
    )
