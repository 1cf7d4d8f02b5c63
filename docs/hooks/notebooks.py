"""Add the notebooks as pages, with their committed outputs. Nothing is executed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from jinja2 import DictLoader
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
FOLDER = "notebooks/"  # the placeholder in the navigation of mkdocs.yml

# Printed output is in a fence of its own, as on every page, and there are no prompts. Blanks at its start
# are part of a table.
TEMPLATE = r"""{% extends 'markdown/index.md.j2' %}
{% block stream %}
```text
{{ (output.text | strip_ansi).rstrip().lstrip("\n") }}
```
{% endblock stream %}
{% block data_text scoped %}
```text
{{ output.data['text/plain'].rstrip().lstrip("\n") }}
```
{% endblock data_text %}
"""


def on_config(config: MkDocsConfig) -> None:
    """Put the notebooks into the navigation, with their first headings as titles."""
    config.nav = with_notebooks(config.nav or [])


def with_notebooks(entries: list[Any]) -> list[Any]:
    """The entries with the placeholder, at any depth, replaced by a list of the notebooks."""
    filled: list[Any] = []
    for entry in entries:
        if not isinstance(entry, dict):
            filled.append(entry)
            continue
        [(name, value)] = entry.items()
        if value == FOLDER:
            value = [{title(path): f"{FOLDER}{path.stem}.md"} for path in notebooks()]
        elif isinstance(value, list):
            value = with_notebooks(value)
        if value:
            filled.append({name: value})
    return filled


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and a file for each of its pictures."""
    exporter = MarkdownExporter(
        extra_loaders=[DictLoader({"site.md.j2": TEMPLATE})], template_file="site.md.j2"
    )
    for path in notebooks():
        resources = {"output_files_dir": f"{path.stem}_files", "unique_key": path.stem}
        body, resources = exporter.from_filename(str(path), resources)
        files.append(File.generated(config, f"{FOLDER}{path.stem}.md", content=body))
        for name, content in resources["outputs"].items():
            files.append(File.generated(config, f"{FOLDER}{name}", content=content))
    return files


def notebooks() -> list[Path]:
    """The notebooks, in the order of their names."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def title(path: Path) -> str:
    """The first heading of a notebook."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line.removeprefix("# ").strip()
    return path.stem
