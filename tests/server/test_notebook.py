"""minilm/server/notebook.py: a notebook as a page to read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from minilm.server import notebook
from minilm.server.notebook import NOTEBOOK, carried, notebook_html


def markdown(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "source": source.splitlines(keepends=True)}


def code(source: str, *outputs: Mapping[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": [source], "outputs": list(outputs)}


def html(*cells: dict[str, object], served: tuple[str, ...] = ()) -> str:
    return notebook_html(json.dumps({"cells": cells}), served)


def test_a_heading_has_an_anchor() -> None:
    page = html(markdown("# A\n\n## Why is it *so*?\n"))
    assert page == '<h1 id="a">A</h1>\n<h2 id="why-is-it-so">Why is it <em>so</em>?</h2>\n'


def test_code_and_what_it_printed_and_drew_are_shown() -> None:
    printed = {"output_type": "stream", "name": "stdout", "text": ["<1>\n"]}
    drawn = {"output_type": "display_data", "data": {"image/png": "AA\nBB\n", "text/plain": ["<Figure>"]}}
    result = {"output_type": "execute_result", "data": {"text/plain": ["a & b"]}}
    page = html(code("x < 1", printed, drawn, result))
    assert page.splitlines() == [
        '<pre class="code" tabindex="0">x &lt; 1</pre>',
        '<pre class="printed" tabindex="0">&lt;1&gt;',
        "</pre>",
        '<p><img src="data:image/png;base64,AABB" alt="The picture that the code above draws"></p>',
        '<pre class="printed" tabindex="0">a &amp; b</pre>',
    ]


def test_a_formula_is_mathml() -> None:
    page = html(markdown("The root $\\sqrt{2}$ of\n\n$$\\frac{1}{a_i b_i}$$\n"))
    assert "<msqrt" in page
    assert page.count("<mfrac>") == 1
    assert "$" not in page
    assert "\\" not in page


def test_a_link_leads_to_the_server_or_is_text() -> None:
    links = "[a](../minilm/encoder.py) [b](02_other.ipynb) [c](https://arxiv.org/abs/1) ![d](../docs/d.svg)"
    page = html(markdown(links), served=("encoder.py", "d.svg"))
    assert '<a href="source/encoder.py">a</a> <a>b</a> <a href="https://arxiv.org/abs/1">c</a>' in page
    assert '<img src="source/d.svg" alt="d" />' in page


def test_an_installed_package_has_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert carried("docs/nothing.svg").parent.name == "docs"
    package = notebook._PACKAGE
    assert carried("notebooks/01_from_text_to_vector.ipynb") == NOTEBOOK
    assert NOTEBOOK.is_relative_to(package.parent)
    copy = tmp_path / "minilm/server/carried/a.svg"
    copy.parent.mkdir(parents=True)
    copy.touch()
    monkeypatch.setattr(notebook, "_PACKAGE", tmp_path / "minilm")
    assert carried("docs/a.svg") == copy
    assert carried("docs/b.svg") == tmp_path / "docs/b.svg"


def test_the_notebook_of_the_page_has_no_markup_left() -> None:
    if not NOTEBOOK.is_file():
        pytest.skip("this copy has no notebook")
    page = notebook_html(NOTEBOOK.read_text("utf-8"), ())
    prose = re.sub(r"<pre.*?</pre>|<code.*?</code>|<img[^>]*>", "", page, flags=re.DOTALL)
    assert not re.search(r"\$|\\[a-z]+|\*\*|^#|\]\(", prose, re.MULTILINE)
    assert not re.search(r"<script|<style| style=", prose)  # the page's policy forbids both
