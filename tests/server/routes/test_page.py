"""minilm/server/routes/page.py: the files of the page, and what it calls."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minilm
from minilm import MiniLM
from tests.checkpoints import TINY, MakeCheckpoint, add_dense
from tests.serving import A, B, Server, error_message

PAGE = Path(minilm.__file__).parent / "server/page"
PAGE_SCRIPTS = [*PAGE.glob("*.js")]


def test_compare_gives_the_score_and_why(server: Server) -> None:
    _, answer, _ = server.ask("/compare", {"text_a": A, "text_b": B, "explain": True})
    # the float64 product of float32 embeddings, as `minilm compare` prints it
    assert abs(answer["score"] - 0.805222) < 1e-6
    assert abs(np.sum(answer["contributions"]) - answer["score"]) < 1e-6
    assert answer["tokens"] == [9, 9]


@pytest.mark.parametrize("texts", [(A, B), (A, A), ("one", "A text about something else."), (B, "x " * 300)])
def test_an_explanation_does_not_change_the_score(server: Server, texts: tuple[str, str]) -> None:
    body = dict(zip(("text_a", "text_b"), texts, strict=True))
    _, plain, _ = server.ask("/compare", {**body, "explain": False})
    _, answer, _ = server.ask("/compare", {**body, "explain": True})
    assert answer["score"] == plain["score"]  # bit for bit: both encode the same pair of texts
    assert (answer["tokens"], answer["truncated"]) == (plain["tokens"], plain["truncated"])
    assert "contributions" not in plain
    # float64 sums of float32 vectors
    assert abs(np.sum(answer["contributions"]) - answer["score"]) < 1e-6


def test_without_an_explanation_there_is_the_score_and_the_reason(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint()
    wide = {"linear.weight": np.eye(2, TINY.hidden_size, dtype=np.float32)}
    add_dense(directory, wide, in_features=TINY.hidden_size, bias=False)
    server = Server("--model", str(directory))
    try:
        status, answer, _ = server.ask("/compare", {"text_a": "a b", "text_b": "c", "explain": True})
    finally:
        assert server.stop() == 0
    assert (status, answer["tokens"], answer["truncated"]) == (200, [4, 3], [])
    # float64 products of float32 vectors of width 2
    assert abs(answer["score"] - MiniLM(directory).similarity("a b", "c").item()) < 1e-6
    assert "a Dense module" in answer["unexplained"]
    assert "contributions" not in answer


def test_the_page_brings_everything_itself(server: Server) -> None:
    _, page, headers = server.ask("/")
    assert b"Sentence Similarity Demo" in page
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    for path in (
        "/page/page.js",
        "/page/page.css",
        "/docs",
        "/page/docs.js",
        "/swagger/swagger-ui-bundle.js",
    ):
        assert server.ask(path)[0] == 200
    # every script that another one imports is served, and its type is one that a browser runs
    for name in set(re.findall(r'from "\./(\w+\.js)"', "".join(f.read_text() for f in PAGE_SCRIPTS))):
        status, _, script_headers = server.ask(f"/page/{name}")
        assert (status, script_headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert not re.search(rb"<script(?![^>]*\ssrc=)|<style| style=|https?://", page)


def test_each_link_of_a_picture_has_its_place(server: Server) -> None:
    _, page, _ = server.ask("/")
    pictures = re.findall(r'data-source="(\S+) (\w+)" data-notebook="([^"]+)"', page.decode())
    assert len(pictures) == page.count(b"data-notebook") == 8
    status, notebook, headers = server.ask("/notebook")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    sections = dict(re.findall(r'<h2 id="([\w-]+)">(.*?)</h2>', notebook.decode()))
    assert {section for _, _, section in pictures} <= set(sections.values())
    for file, function, _ in pictures:
        status, source, headers = server.ask(f"/source/{file}")
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert source.count(f"\ndef {function}(".encode()) == 1


def test_the_notebook_brings_everything_itself(server: Server) -> None:
    _, page, headers = server.ask("/notebook")
    text = re.sub(rb"base64,[^\"]*", b"", page).decode()
    assert "img-src 'self' data:" in headers["content-security-policy"]
    assert "A sentence goes in, 384 numbers come out." in text
    assert not re.search(r"<script|<style| style=", text)
    assert text.count("<img") == text.count('src="data:image/png') + 1
    # behind a proxy too, for the paths are relative
    paths = set(re.findall(r'(?:href|src)="([^"#:]+)[^":]*"', text)) - {"data"}
    assert paths == {"./", "page/icon.svg", "page/page.css", "source/how-it-works.svg"} | {
        f"source/{name}.py" for name in ("encoder", "pooling", "similarity")
    }
    assert {server.ask(f"/{path.removeprefix('./')}")[0] for path in paths} == {200}


def test_what_is_not_there_is_refused(server: Server) -> None:
    for path in (
        "/notebook/",
        "/notebook/02_why_this_score.ipynb",
        "/notebook/../SECURITY.md",
        "/source/02_why_this_score.ipynb",
        "/source/../model.py",
        "/source/%2e%2e/model.py",
        "/source/..%2fmodel.py",
        "/source/model.py",
    ):
        status, answer, _ = server.ask(path)
        assert (status, error_message(path, answer)) == (404, "Not Found"), path


def test_a_copy_without_the_notebook_says_so() -> None:
    absent = "from pathlib import Path; import minilm.server.notebook as it; it.NOTEBOOK = Path('/nowhere'); "
    other = Server(program=absent)
    try:
        status, answer, _ = other.ask("/notebook")
    finally:
        assert other.stop() == 0
    message = "the notebook is not part of this copy of minilm"
    assert (status, error_message("/notebook", answer)) == (404, message)


def test_the_page_says_which_model_it_has(server: Server, make_checkpoint: MakeCheckpoint) -> None:
    _, page, _ = server.ask("/")
    assert b'content="sentence-transformers/all-MiniLM-L6-v2" data-language="en"' in page
    other = Server("--model", str(make_checkpoint()), "--served-model-name", 'a "b" <c>')
    try:
        _, page, _ = other.ask("/")
    finally:
        assert other.stop() == 0
    assert b'content="a &quot;b&quot; &lt;c&gt;" data-language=""' in page  # what it learned is not known


def test_texts_that_the_model_can_hardly_read_are_named(server: Server) -> None:
    _, answer, _ = server.ask("/matrix", {"texts": [A, "\u05e9\u05dc\u05d5\u05dd", B, "\u16a0"]})
    assert answer["unfamiliar"] == [1, 3]
    _, answer, _ = server.ask("/compare", {"text_a": A, "text_b": "\u16a0"})
    assert answer["unfamiliar"] == [1]


def test_the_icon_is_that_of_the_documentation() -> None:
    documentation = PAGE.parents[2] / "docs/favicon.svg"
    if not documentation.is_file():
        pytest.skip("the documentation is only in a checkout")
    assert (PAGE / "icon.svg").read_bytes() == documentation.read_bytes()


def test_the_page_is_light() -> None:
    assert sum(file.stat().st_size for file in PAGE.iterdir()) < 150_000
