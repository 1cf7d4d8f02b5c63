"""The notebook that the tab Inside links to, as a page to read.

It has the outputs that are in the repository; nothing is executed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import partial
from html import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what reads Markdown and formulas is imported when the notebook is asked for
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

DRAWN = "The picture that the code above draws"

_PACKAGE = Path(__file__).resolve().parents[1]


def carried(path: str) -> Path:
    """Return where a file of the repository is: in an installed package its copy, in a checkout itself."""
    copy = _PACKAGE / "server/carried" / PurePosixPath(path).name
    return copy if copy.is_file() else _PACKAGE.parent / path


NOTEBOOK = carried("notebooks/01_from_text_to_vector.ipynb")
FIGURE = carried("docs/how-it-works.svg")


def notebook_html(content: str, served: Collection[str]) -> str:
    """Return the cells of a notebook as HTML, with an anchor at each heading.

    Parameters
    ----------
    content : str
        The notebook: JSON, version 4 of the format.
    served : collection of str
        The files that have an address on this server, under ``source/``. Links to other files of the
        checkout become text.
    """
    markdown = _markdown(served)
    parts: list[str] = []
    for cell in json.loads(content)["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append(markdown.render("".join(cell["source"])))
        else:
            parts += [_pre("".join(cell["source"]), "code"), *_outputs(cell["outputs"])]
    return "\n".join(parts)


def _outputs(outputs: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what a cell of code printed, and what it drew."""
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            image = "".join("".join(data["image/png"]).split())
            yield f'<p><img src="data:image/png;base64,{image}" alt="{DRAWN}"></p>'
        else:
            yield _pre("".join(data["text/plain"]), "printed")


def _pre(text: str, kind: str) -> str:
    return f'<pre class="{kind}" tabindex="0">{escape(text)}</pre>'  # whoever has no mouse can scroll it


def _markdown(served: Collection[str]) -> MarkdownIt:
    """Return the parser of the notebook, which is minilm's own: its HTML is taken as it is."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.anchors import anchors_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown.use(anchors_plugin).use(dollarmath_plugin, renderer=_formula)
    markdown.core.ruler.push("addresses", partial(_point_to_the_server, served=served))
    return markdown


def _formula(content: str, options: dict[str, Any]) -> str:
    """MathML, which every browser draws without scripts and without fonts from elsewhere."""
    from latex2mathml.converter import convert

    if options["display_mode"]:
        return f'<div class="scroll" tabindex="0">{convert(content, display="block")}</div>'
    return convert(content)


def _point_to_the_server(state: StateCore, served: Collection[str]) -> None:
    """Replace addresses in the checkout by those of the server."""
    for token in (child for block in state.tokens for child in block.children or []):
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name and "://" not in (address := str(token.attrs[name])):
            file = PurePosixPath(address).name
            token.attrs = {**token.attrs, name: f"source/{file}"} if file in served else {}
