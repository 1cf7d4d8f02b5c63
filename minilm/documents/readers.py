"""The text of a document, by the kind of its file: plain text, Markdown, HTML, PDF."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO, NamedTuple

from minilm.documents.content import Content, Unreadable, UnreadableNow, chunks_of
from minilm.documents.html import markdown_of
from minilm.documents.stretches import (
    Stretch,
    markdown_file_stretches,
    markdown_stretches,
    page_stretches,
    plain_stretches,
    underlined_stretches,
)
from minilm.errors import MissingExtraError, described, import_extra
from minilm.text.pieces import Markup


class DocumentText(NamedTuple):
    """What a reader makes of a document. Its stretches are read once, while its content is open."""

    stretches: Iterator[Stretch]
    markup: Markup = "text"
    has_lines: bool = True  # whether the lines of the text are those of the file
    has_sections: bool = True  # whether its headings begin something new, which the page of a PDF does not


def read_plain(content: Content) -> DocumentText:
    """Read plain text or source code."""
    return DocumentText(plain_stretches(_texts(content)))


def read_markdown(content: Content) -> DocumentText:
    """Read Markdown."""
    return DocumentText(markdown_file_stretches(_texts(content)), "markdown")


def read_restructured(content: Content) -> DocumentText:
    """Read reStructuredText."""
    return DocumentText(underlined_stretches(_texts(content)))


def read_html(content: Content) -> DocumentText:
    """Read the text of a page of HTML as Markdown."""
    markdown = content.temporary()
    for text in markdown_of(_utf8_texts(content.open())):
        markdown.write(text.encode("utf-8", "replace"))
    return DocumentText(markdown_stretches(_checked_texts(markdown)), "markdown", has_lines=False)


def read_pdf(content: Content) -> DocumentText:
    """Read the text of a PDF, with its pages as headings."""
    try:
        pypdf = import_extra("pypdf", feature="a PDF", extra="pdf")
    except MissingExtraError as error:
        raise UnreadableNow(str(error)) from None
    try:
        pages = [page.extract_text() for page in pypdf.PdfReader(content.open()).pages]
    except Exception as error:
        raise Unreadable(f"it is a damaged PDF ({described(error)})") from error
    _check_has_text(pages)
    return DocumentText(page_stretches(pages, "\n\n"), has_lines=False, has_sections=False)


def read_row(text: str, problem: str | None = None) -> DocumentText:
    """Read the text of a row, or say why it has none."""
    if problem is not None:
        raise Unreadable(problem)
    _check_has_text([text])
    return DocumentText(plain_stretches([text]), has_lines=False)


def _texts(content: Content) -> Iterator[str]:
    """Return the text of a file, some at a time; raise an :class:`Unreadable` at once if it has none."""
    return _checked_texts(content.open())


def _checked_texts(file: IO[bytes]) -> Iterator[str]:
    """Return a file's text; it is read twice, for a fault at its end must be known before its first piece."""
    file.seek(0)
    _check_has_text(_utf8_texts(file))
    file.seek(0)
    return _utf8_texts(file)


def _check_has_text(texts: Iterable[str]) -> None:
    """Read texts to the last, and raise an :class:`Unreadable` if there is but white space in them."""
    blank = [not text or text.isspace() for text in texts]
    if all(blank):
        raise Unreadable("it has no text")


def _utf8_texts(file: IO[bytes]) -> Iterator[str]:
    """Yield a file as text, or raise an :class:`Unreadable`."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    size = 0
    for data in chain(chunks_of(file), [b""]):
        if b"\0" in data:
            raise Unreadable("it is binary: it has a NUL byte")
        size += len(data)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            place = size - len(error.object) + error.start
            raise Unreadable(f"it is not UTF-8 ({error.reason} at byte {place:,})") from None
        if text:
            yield text


_KINDS: dict[Callable[[Content], DocumentText], str] = {
    read_plain: ".txt .text .adoc .org .tex .py .pyi .js .mjs .ts .tsx .jsx .java .kt .scala .c .h .cc .cpp "
    ".hpp .cs .go .rs .rb .php .pl .swift .lua .r .jl .hs .ml .ex .erl .clj .sh .bash .ps1 .sql .css .vue",
    read_markdown: ".md .markdown .mdx",
    read_restructured: ".rst",
    read_html: ".html .htm .xhtml",
    read_pdf: ".pdf",
}
READERS_BY_SUFFIX = {suffix: reader for reader, suffixes in _KINDS.items() for suffix in suffixes.split()}
