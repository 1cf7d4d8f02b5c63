"""Convert the reStructuredText of docstrings to Markdown: roles, citations, lists of references."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

ROLE = re.compile(r":(?:py:)?(?:class|func|meth|attr|mod|exc|data):`~?([\w.]+)`")
CITATION = re.compile(r"\[(\d+)\]_")
REFERENCES = re.compile(r"^References\n-+\n(.*?)(?=^\S+\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)
# "a, b : int" with its description
SEVERAL = re.compile(r"^(\w+(?:, \w+)+)( : .*)?\n((?: {4}.*\n?)+)", re.MULTILINE)
# "a : {"x", "y"}, optional"
CHOICES = re.compile(r"^(\w+ : )\{(.*)\}(.*)$", re.MULTILINE)
# the type of a result, which the site shows as code already
RETURNED = re.compile(r"^((?:Returns|Yields)\n-+\n)(.*)$", re.MULTILINE)
ADDRESS = re.compile(r"(https?://[^ ,]+)")
# what has a place in the site
PUBLISHED = re.compile(r"^::: ([\w.]+)", re.MULTILINE)
PAGES = Path(__file__).resolve().parents[1] / "api"
LITERAL_BLOCK = re.compile(r"(?<=\S)::$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrite every docstring after the package is loaded and before docstrings are parsed."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:  # noqa: ANN401 - griffe's protocol
        """Rewrite the docstrings of a package."""
        rewrite(pkg)


def rewrite(thing: griffe.Object) -> None:
    """Rewrite the docstrings of an object and of all its members."""
    if thing.docstring:
        thing.docstring.value = as_markdown(thing.docstring.value, thing)
    for member in thing.members.values():
        if isinstance(member, griffe.Object):  # an alias is rewritten where it is defined
            rewrite(member)


def as_markdown(text: str, where: griffe.Object) -> str:
    """The docstring of ``where`` in Markdown, with links for roles and its references as a list."""
    text = REFERENCES.sub(lambda match: f"References\n----------\n{references(match[1])}\n\n", text)
    text = SEVERAL.sub(each, text)
    text = CHOICES.sub(lambda match: f"{match[1]}{choices(match[2])}{match[3]}", text)
    text = RETURNED.sub(lambda match: match[1] + match[2].replace("``", ""), text)
    text = CITATION.sub(r"[\1]", text)
    text = LITERAL_BLOCK.sub(":", text)
    return ROLE.sub(lambda match: link(match[1], where), text)


def each(match: re.Match[str]) -> str:
    """One entry per parameter for parameters that share a description, each with its type."""
    names = match[1].split(", ")
    return "".join(f"{name}{match[2] or ''}\n{match[3].rstrip()}\n" for name in names)


def choices(values: str) -> str:
    """``"x" or "y"`` for ``"x", "y"``: the parser takes the first of several choices for the default."""
    return " or ".join(values.rsplit(", ", 1))


def references(text: str) -> str:
    """A numbered list of references such as ``.. [1] Somebody 2019``."""
    items = re.split(r"^\.\. \[\d+\] ", text.strip(), flags=re.MULTILINE)
    lines = [ADDRESS.sub(r"<\1>", " ".join(item.split())) for item in items if item.strip()]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def link(name: str, where: griffe.Object) -> str:
    """A link to an object, by its full name or by its name in the class or module ``where``.

    An object without a docstring, or outside docs/api/, has no page, so its name is not linked.
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
    if target is None or not target.docstring or not is_published(target):
        return shown
    return f"[{shown}][{target.canonical_path}]"


def is_published(target: griffe.Object | griffe.Alias) -> bool:
    """Whether a page of docs/api/ shows the object, or the module or class that it is a member of."""
    named = {name for page in PAGES.glob("*.md") for name in PUBLISHED.findall(page.read_text("utf-8"))}
    shown = {target.package[name.removeprefix("minilm.")].canonical_path for name in named - {"minilm"}}
    return any(f"{target.canonical_path}.".startswith(f"{path}.") for path in shown)
