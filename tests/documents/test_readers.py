"""Readers: what each kind of file becomes, and what is refused with its reason."""

from __future__ import annotations

import io

import pytest

from minilm.documents.readers import (
    READERS_BY_SUFFIX,
    Unreadable,
    decoded,
    read_html,
    read_markdown,
    read_pdf,
    read_plain,
    read_restructured,
)

pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
pytest.importorskip("markdownify", reason="markdownify is not installed")


def test_plain_text_stays_as_it_is() -> None:
    document = read_plain("\ufeffGrüße\r\nan alle\n".encode())
    assert (document.text, document.markup, document.has_lines) == ("Grüße\r\nan alle\n", "text", True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "it is binary: it has a NUL byte"),
        ("Größe".encode("latin-1"), r"it is not UTF-8 \(invalid .* at byte 2\)"),
    ],
)
def test_what_is_no_text_says_why(data: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        decoded(data)


def test_html_becomes_markdown_without_scripts() -> None:
    page = (
        b"<title>T</title><script>alert(1)</script><style>p{}</style><h2>Desk</h2><p><a href=x>link</a>_1</p>"
    )
    document = read_html(page)
    assert document.text.split() == ["T", "##", "Desk", "link_1"]
    assert [heading.title for heading in document.headings] == ["Desk"]
    assert not document.has_lines


def test_headings_come_with_markdown_and_restructured_text() -> None:
    assert read_markdown(b"# One\n").headings[0].title == "One"
    assert read_restructured(b"One\n===\n").headings[0].title == "One"


def test_a_pdf_has_its_pages_as_headings() -> None:
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    for text in ("First", "Second"):
        page = writer.add_blank_page(200, 200)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
        names = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        font = DictionaryObject({NameObject(key): NameObject(value) for key, value in names.items()})
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    writer.write(buffer := io.BytesIO())
    document = read_pdf(buffer.getvalue())
    assert document.text == "First\n\nSecond"
    assert [(heading.start, heading.title) for heading in document.headings] == [(0, "page 1"), (7, "page 2")]
    with pytest.raises(Unreadable, match="it is a damaged PDF"):
        read_pdf(buffer.getvalue()[:40])


def test_a_suffix_has_its_reader() -> None:
    assert READERS_BY_SUFFIX[".md"] is read_markdown
    assert READERS_BY_SUFFIX[".py"] is READERS_BY_SUFFIX[".txt"] is read_plain
    assert ".png" not in READERS_BY_SUFFIX
