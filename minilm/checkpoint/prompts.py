"""Prompts and the similarity function of a checkpoint.

sentence-transformers keeps them in ``config_sentence_transformers.json``, beside the encoder's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from minilm.checkpoint.files import Fields, quoted
from minilm.similarity import SIMILARITY
from minilm.text.inputs import check_text, is_encodable

# The names under which encode_query and encode_document look for their prompt, in order.
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class PromptFields(NamedTuple):
    """Prompts by name, the default prompt's name, and the name of the similarity function.

    The prompts "query" and "document" always exist, as in sentence-transformers. They are empty unless the
    checkpoint sets them.
    """

    prompts: dict[str, str]
    default_prompt_name: str | None
    similarity_fn_name: str


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
    for name, text in (fields.mapping("prompts") or {}).items():
        if not isinstance(text, str | None):
            raise fields.error(f"prompts must map names to texts, not {quoted(fields.get('prompts'))}")
        if not is_encodable(name + (text or "")):
            raise fields.error(f"the prompt {quoted(name)} holds a lone surrogate")
        if text is not None:
            prompts[name] = text
    has_default = "default_prompt_name" in fields
    return PromptFields(
        prompts,
        fields.one_of("default_prompt_name", prompts, default="") if has_default else None,
        fields.one_of("similarity_fn_name", SIMILARITY, default="cosine"),
    )


@dataclass
class UseSettings:
    """Prompts by name, the default prompt's name, and the name of the similarity function.

    ``query`` and ``document`` are always there, empty unless the checkpoint or the caller says otherwise, as
    in sentence-transformers; an empty prompt keeps the default one away.
    """

    prompts: dict[str, str] = field(default_factory=lambda: {"query": "", "document": ""})
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"

    @classmethod
    def from_directory(cls, directory: Path) -> UseSettings:
        """Read them from a checkpoint, as :func:`read_prompts` does."""
        return cls(*read_prompts(directory))

    def change(
        self,
        *,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
    ) -> None:
        """Take over what the caller gave; None leaves what is there.

        Raises
        ------
        TypeError
            If a prompt is not a str.
        ValueError
            If a name is unknown, or a prompt holds a lone surrogate.
        """
        if prompts is not None:
            self.prompts |= {
                check_text("a prompt's name", name): check_text(f"prompts[{name!r}]", text)
                for name, text in prompts.items()
            }
        if default_prompt_name is not None:
            if not _is_among(default_prompt_name, self.prompts):
                raise ValueError(_unknown("default_prompt_name", default_prompt_name, self.prompts))
            self.default_prompt_name = default_prompt_name
        if similarity_fn_name is not None:
            if not _is_among(similarity_fn_name, SIMILARITY):
                raise ValueError(_unknown("similarity_fn_name", similarity_fn_name, SIMILARITY))
            self.similarity_fn_name = similarity_fn_name

    def prompt(self, prompt: str | None, prompt_name: str | None) -> str:
        """The text to put before every text: ``prompt`` itself, or the one of that name, or the default one.

        Raises
        ------
        TypeError
            If ``prompt`` is not a str.
        ValueError
            If it holds a lone surrogate, or there is no prompt of that name.
        """
        if prompt is not None:
            return check_text("prompt", prompt)
        name = self.default_prompt_name if prompt_name is None else prompt_name
        if name is None:
            return ""
        if not _is_among(name, self.prompts):
            raise ValueError(_unknown("prompt_name", name, self.prompts))
        return check_text(f"prompts[{name!r}]", self.prompts[name])

    def first_of(self, names: tuple[str, ...]) -> str | None:
        """The first of ``names`` that has a prompt."""
        return next((name for name in names if name in self.prompts), None)


def _is_among(name: object, known: Mapping[str, object]) -> bool:
    return isinstance(name, str) and name in known  # what JSON holds may not even be hashable


def _unknown(what: str, value: object, known: Mapping[str, object]) -> str:
    return f"{what} must be one of {', '.join(known)}, not {quoted(value)}"
