"""The text of a document, by the kind of its file: plain text, Markdown, HTML, PDF."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from minilm.documents.headings import Heading, markdown_headings, page_headings, underlined_headings
from minilm.errors import described, import_extra
from minilm.text.pieces import Markup


class Unreadable(Exception):  # noqa: N818 - the answer about a document, not an error of the program
    """A document has no text that can be indexed; the message says why."""


class DocumentText(NamedTuple):
    """What a reader makes of a document."""

    text: str
    markup: Markup = "text"
    headings: Sequence[Heading] = ()
    has_lines: bool = True  # whether the lines of the text are those of the file
    has_sections: bool = True  # whether its headings begin something new, which the page of a PDF does not


def decoded(data: bytes) -> str:
    """Return the bytes of a file as text, or raise an :class:`Unreadable`."""
    if b"\0" in data:
        raise Unreadable("it is binary: it has a NUL byte")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 ({error.reason} at byte {error.start:,})") from None


def read_plain(data: bytes) -> DocumentText:
    """Read plain text or source code."""
    return DocumentText(decoded(data))


def read_markdown(data: bytes) -> DocumentText:
    """Read Markdown."""
    text = decoded(data)
    return DocumentText(text, "markdown", markdown_headings(text))


def read_restructured(data: bytes) -> DocumentText:
    """Read reStructuredText."""
    text = decoded(data)
    return DocumentText(text, headings=underlined_headings(text))


def read_html(data: bytes) -> DocumentText:
    """Read the text of a page of HTML as Markdown, so that it keeps headings, lists and tables."""
    markdownify = import_extra("markdownify", feature="an index of HTML", extra="index")
    html = decoded(data)
    options = {"heading_style": "ATX", "escape_asterisks": False, "escape_underscores": False}
    text = markdownify.markdownify(html, strip=["a", "img"], **options)
    return DocumentText(text, "markdown", markdown_headings(text), has_lines=False)


def read_pdf(data: bytes) -> DocumentText:
    """Read the text of a PDF, with its pages as headings."""
    pypdf = import_extra("pypdf", feature="an index of PDF", extra="pdf")
    try:
        pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    except Exception as error:
        raise Unreadable(f"it is a damaged PDF ({described(error)})") from error
    text = "\n\n".join(pages)
    return DocumentText(text, headings=page_headings(pages, "\n\n"), has_lines=False, has_sections=False)


_KINDS: dict[Callable[[bytes], DocumentText], str] = {
    read_plain: ".txt .text .adoc .org .tex .py .pyi .js .mjs .ts .tsx .jsx .java .kt .scala .c .h .cc .cpp "
    ".hpp .cs .go .rs .rb .php .pl .swift .lua .r .jl .hs .ml .ex .erl .clj .sh .bash .ps1 .sql .css .vue",
    read_markdown: ".md .markdown .mdx",
    read_restructured: ".rst",
    read_html: ".html .htm .xhtml",
    read_pdf: ".pdf",
}
READERS_BY_SUFFIX = {suffix: reader for reader, suffixes in _KINDS.items() for suffix in suffixes.split()}
