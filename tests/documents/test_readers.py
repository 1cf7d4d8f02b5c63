"""Readers: what each kind of file becomes, and what is refused with its reason."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from minilm.documents import content
from minilm.documents.content import Content, Unreadable
from minilm.documents.readers import (
    READERS_BY_SUFFIX,
    DocumentText,
    read_html,
    read_markdown,
    read_pdf,
    read_plain,
    read_restructured,
    read_row,
)
from minilm.documents.stretches import Heading
from tests.documents.pdfs import pdf_of

pytest.importorskip("lxml", reason="lxml is not installed")
pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
pytest.importorskip("markdownify", reason="markdownify is not installed")


Read = Callable[..., tuple[str, list[Heading], DocumentText]]


@pytest.fixture
def read() -> Iterator[Read]:
    """A function that gives the text of some bytes by a reader, its headings, and the rest."""
    with ExitStack() as resources:

        def text_by(
            reader: Callable[[Content], DocumentText], data: bytes
        ) -> tuple[str, list[Heading], DocumentText]:
            document = reader(Content(io.BytesIO(data), resources))  # type: ignore[arg-type]
            found = [*document.stretches]
            return (
                "".join(stretch.text for stretch in found),
                [heading for stretch in found for heading in stretch.headings],
                document,
            )

        yield text_by


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
def test_plain_text_stays_as_it_is(chunk: int, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "CHUNK", chunk)
    text, _, document = read(read_plain, "\ufeffGrüße 🌍\r\nan alle\n".encode())
    assert (text, document.markup, document.has_lines) == ("Grüße 🌍\r\nan alle\n", "text", True)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "it is binary: it has a NUL byte|it is not UTF-8"),
        ("Größe".encode("latin-1"), r"it is not UTF-8 \(invalid .* at byte 2\)"),
        ("\ufeffa".encode() + b"\xffb", r"it is not UTF-8 \(invalid .* at byte 4\)"),
        ("a🌍".encode()[:-1], r"it is not UTF-8 \(unexpected end of data at byte 1\)"),
        (b"text at first\0", "it is binary: it has a NUL byte"),
        (b" \n\r\n \t", "it has no text"),
        (b"", "it has no text"),
        ("\ufeff".encode(), "it has no text"),
    ],
)
def test_what_is_no_text_says_why_before_its_first_stretch(
    data: bytes, message: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "CHUNK", chunk)
    with ExitStack() as resources, pytest.raises(Unreadable, match=message):
        read_plain(Content(io.BytesIO(data), resources))  # type: ignore[arg-type]


def test_html_is_read_as_markdown(read: Read) -> None:
    text, headings, document = read(read_html, b"<h2>Desk</h2><p><a href=x>link</a>_1</p>")
    assert text.split() == ["##", "Desk", "link_1"]
    assert [heading.title for heading in headings] == ["Desk"]
    assert (document.markup, document.has_lines) == ("markdown", False)
    with pytest.raises(Unreadable, match="it has no text"):
        read(read_html, b"<p> </p><script>code</script>")


def test_headings_come_with_markdown_and_restructured_text(read: Read) -> None:
    assert read(read_markdown, b"# One\n")[1] == [Heading(0, 1, "One")]
    assert read(read_markdown, b"---\na: b\n---\n# One\n")[1] == [Heading(13, 1, "One")]
    assert read(read_restructured, b"One\n===\n")[1] == [Heading(0, 1, "One")]


def test_a_row_has_its_text_and_no_lines() -> None:
    document = read_row("First\ntext")
    assert [stretch.text for stretch in document.stretches] == ["First\ntext"]
    assert not document.has_lines
    with pytest.raises(Unreadable, match="it has no text"):
        read_row(" \n")


def test_a_pdf_has_its_pages_as_headings(read: Read) -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    two_pages = pdf_of("First", "Second")
    text, headings, document = read(read_pdf, two_pages)
    assert text == "First\n\nSecond"
    assert headings == [Heading(0, 1, "page 1"), Heading(7, 1, "page 2")]
    assert (document.has_lines, document.has_sections) == (False, False)
    with pytest.raises(Unreadable, match="it is a damaged PDF"):
        read(read_pdf, two_pages[:40])
    blank = pypdf.PdfWriter()
    blank.add_blank_page(200, 200)
    blank.write(buffer := io.BytesIO())
    with pytest.raises(Unreadable, match="it has no text"):
        read(read_pdf, buffer.getvalue())


def test_a_suffix_has_its_reader() -> None:
    assert READERS_BY_SUFFIX[".md"] is read_markdown
    assert READERS_BY_SUFFIX[".py"] is READERS_BY_SUFFIX[".txt"] is read_plain
    assert ".png" not in READERS_BY_SUFFIX
