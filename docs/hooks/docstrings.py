"""What the docstrings say in reStructuredText, as Markdown: roles, citations, lists of references."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:py:)?(?:class|func|meth|attr|mod|exc|data):`~?([\w.]+)`")
CITATION = re.compile(r"\[(\d+)\]_")
REFERENCES = re.compile(r"^References\n-+\n(.*?)(?=^\S+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"(https?://[^ ,]+)")
LITERAL_BLOCK = re.compile(r"(?<=\S)::$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites every docstring once the package is loaded, before any is parsed."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:  # noqa: ANN401 - griffe's protocol
        """Rewrite the docstrings of a package."""
        rewrite(pkg)


def rewrite(thing: griffe.Object) -> None:
    """Rewrite the docstring of an object and of all that is in it."""
    if thing.docstring:
        thing.docstring.value = as_markdown(thing.docstring.value, thing)
    for member in thing.members.values():
        if isinstance(member, griffe.Object):  # aliases are looked at where they come from
            rewrite(member)


def as_markdown(text: str, where: griffe.Object) -> str:
    """The docstring of ``where`` with links for roles, and its references as a list."""
    text = REFERENCES.sub(lambda match: f"**References**\n\n{references(match[1])}\n\n", text)
    text = CITATION.sub(r"[\1]", text)
    text = LITERAL_BLOCK.sub(":", text)
    return ROLE.sub(lambda match: link(match[1], where), text)


def references(text: str) -> str:
    """``.. [1] Somebody 2019`` as an item of a numbered list."""
    items = re.split(r"^\.\. \[\d+\] ", text.strip(), flags=re.MULTILINE)
    lines = [ADDRESS.sub(r"<\1>", " ".join(item.split())) for item in items if item.strip()]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def link(name: str, where: griffe.Object) -> str:
    """A link to an object, by its full name or as the class or module calls it where it is spoken of.

    What has no docstring of its own has no place to link to, and stays a name.
    """
    target = None
    scope: griffe.Object | None = where.package if name.startswith("minilm.") else where
    inside = name.removeprefix("minilm.")
    while scope is not None and target is None:
        try:
            target = scope[inside]
        except (KeyError, griffe.AliasResolutionError):
            scope = scope.parent
    shown = f"`{inside}`"
    return f"[{shown}][{target.canonical_path}]" if target is not None and target.docstring else shown
