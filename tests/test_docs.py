"""Every example in docs/ is run, each in a directory and a namespace of its own, and prints what it says."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Server

DOCS = Path(__file__).resolve().parent.parent / "docs"
INTEGRATIONS = (DOCS / "integrations.md").read_text("utf-8")
COMING_FROM = (DOCS / "coming-from.md").read_text("utf-8")

# what frameworks warn of while they are imported is their affair
pytestmark = pytest.mark.filterwarnings("ignore")


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def output_of(example: str) -> str:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(example, "example", "exec"), {})
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed; pip install '.[integrations]' or '.[golden]' brings it")
    return printed.getvalue()


@pytest.mark.parametrize("name", list(sections(INTEGRATIONS)))
def test_integrations(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [example], [expected] = (blocks(sections(INTEGRATIONS)[name], kind) for kind in ("python", "text"))
    assert output_of(example) == expected


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    running = Server()
    yield running
    assert running.stop() == 0


def sides(name: str) -> tuple[str, str]:
    """What stands before and after."""
    found = blocks(sections(COMING_FROM)[name], "(?:python|js)")
    assert len(found) == 2
    return found[0], found[1]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("sentence-transformers", "1\n"),
        ("fastembed", "2 (384,)\n"),
        ("Chroma's default function", "[['1']]\n"),
        ("transformers.js", ""),
    ],
)
def test_after(name: str, printed: str) -> None:
    _, after = sides(name)
    assert output_of(after) == printed


def test_after_the_openai_client(server: Server) -> None:
    _, after = sides("The OpenAI client")
    assert "http://127.0.0.1:8000" in after
    assert output_of(after.replace("http://127.0.0.1:8000", server.url)) == "2\n"


def test_no_page_goes_untested() -> None:
    assert {page.name for page in DOCS.glob("*.md")} == {
        "integrations.md",
        "coming-from.md",
        "sizing.md",  # tests/test_sizing.py
    }
    for name in sections(COMING_FROM):
        before, after = sides(name)
        ast.parse(after)
        if not before.startswith("const"):
            ast.parse(before)
