"""HTML as Markdown, a part of a long page at a time.

libxml2 reads a page: its time is in proportion to the page whatever is in it, and it knows which end tags may
be left out. What has a meaning in Markdown is written again as plain HTML with all end tags. markdownify
converts that.
"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from minilm.documents.content import Unreadable
from minilm.errors import described, import_extra

# Characters of a page that are converted at a time: the tree of a part takes thirty times its size.
_PART = 1 << 20
_INLINE = frozenset("b strong em i code kbd samp del s q sub sup".split())  # noqa: SIM905
# Tags before which a part may end, and after four times its size it may end anywhere.
_BREAKS = frozenset(
    "h1 h2 h3 h4 h5 h6 p div section article li tr dt dd table ul ol dl pre blockquote".split()  # noqa: SIM905
)
# Elements that make something else of what is in them: a part that begins in one begins with its tag.
_AROUND = frozenset(["table", "ul", "ol", "dl", "pre", "blockquote"])
# Of these, one ends another, and libxml2 does not know it.
_NEVER_NESTED = (frozenset(["dt", "dd"]), frozenset(["h1", "h2", "h3", "h4", "h5", "h6"]))
_WITHOUT_END = frozenset(["br", "hr"])
_WRITTEN = _INLINE | _BREAKS | _WITHOUT_END | {"td", "th", "figcaption"}
# What a browser does not show either. The text of the last three is source code of HTML.
_WITHOUT_TEXT = frozenset(["script", "style", "template", "iframe", "noembed", "noframes"])
_DEEPEST = 200  # of the elements that are written: at a few hundred the converter gives up
_DEEPEST_OF_ALL = 1000  # libxml2 looks through all open elements at an end tag
_BLANKS = re.compile(r"[ \t\r\n\f]{2,}")
_OPTIONS = {"heading_style": "ATX", "escape_asterisks": False, "escape_underscores": False}


def markdown_of(texts: Iterable[str]) -> Iterator[str]:
    """Yield the text of a page of HTML as Markdown, so that it keeps headings, lists and tables.

    Raises
    ------
    Unreadable
        If the page cannot be converted, for instance as its elements are nested too deeply.
    """
    convert = _converter()
    etree = import_extra("lxml.etree", feature="an index of HTML", extra="index")
    joint = ""
    try:
        for part in _parts(texts, etree):
            yield joint + convert(part).lstrip(joint)
            joint = "\n\n"
    except (Unreadable, OSError, MemoryError):
        raise
    except RecursionError:
        raise Unreadable("its elements are nested too deeply") from None
    except Exception as error:
        raise Unreadable(f"it is damaged HTML ({described(error)})") from error


def _converter() -> Callable[[str], str]:
    """Return the function from HTML to Markdown: markdownify, but for two things that take it too long."""
    markdownify = import_extra("markdownify", feature="an index of HTML", extra="index")
    converter = markdownify.MarkdownConverter(**_OPTIONS)
    convert_item = converter.convert_li

    def convert_li(element: Any, text: str, parent_tags: set[str]) -> str:  # noqa: ANN401 - a bs4.Tag
        """Number an item by its value: markdownify counts all items before each."""
        text = text.strip()
        if not text or "value" not in element.attrs:
            return str(convert_item(element, text, parent_tags))
        bullet = f"{element['value']}. "
        indented = re.sub(r"^(?=.)", " " * len(bullet), text, flags=re.MULTILINE)
        return f"{bullet}{indented[len(bullet) :]}\n"

    def convert_pre(element: object, text: str, parent_tags: object) -> str:
        """Strip empty lines; markdownify takes the square of the number of blanks in a row."""
        del element, parent_tags
        text = text.rstrip(" \n")
        first_line = text.rfind("\n", 0, len(text) - len(text.lstrip(" \n"))) + 1
        return f"\n\n```\n{text[first_line:]}\n```\n\n" if text else ""

    converter.convert_li, converter.convert_pre = convert_li, convert_pre
    return lambda part: str(converter.convert(part))


def _parts(texts: Iterable[str], etree: Any) -> Iterator[str]:  # noqa: ANN401 - a module
    """Yield a page in parts that are pages of their own, of HTML without omissions and faults.

    libxml2 keeps all that it is fed until the end, but not what it reads itself. So it reads the whole page
    before the first part is yielded, and the parts go to a temporary file if they are long.
    """
    with tempfile.SpooledTemporaryFile(4 * _PART) as file:
        writer = _Writer(file.write)
        parser = etree.HTMLParser(target=writer, encoding="utf-8", huge_tree=True)
        etree.parse(_Reader(texts), parser)
        if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
            raise Unreadable("its elements are nested too deeply")
        writer.cut()
        file.seek(0)
        for size in writer.sizes:
            yield file.read(size).decode()


class _Reader:
    """Texts as a file of bytes for lxml, which takes more than it asks for."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = chain(["<html>"], texts)  # a page of nothing is an error to lxml

    def read(self, size: int) -> bytes:
        """Return the next text."""
        del size
        return next((text.encode("utf-8", "replace") for text in self._texts if text), b"")


class _Writer:
    """It writes what lxml reads into parts, without what has no meaning in Markdown.

    lxml calls its methods ``start``, ``end``, ``data`` and ``close``. Elements that it does not know are not
    written, but their text is: the tree of a part stays flat.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.sizes: list[int] = []  # bytes of each part
        self._write_part = write
        self._part: list[str] = ["<html>"]
        self._size = 0
        self._open: list[str] = []  # of each open element the name of what is written for it, or ""
        self._written: list[str] = []  # those names without the empty ones
        self._numbers: list[int] = []  # of each open numbered list, the number of its next item
        self._heads = 0  # open heads of tables
        self._silent = 0  # open elements in one without text, with that

    def cut(self) -> None:
        """Begin a new part."""
        part = "".join(self._part).encode()
        self._write_part(part)
        self.sizes.append(len(part))
        self._part = ["<html>", *(f"<{name}>" for name in self._written if name in _AROUND)]
        self._size = 0

    def _write(self, text: str) -> None:
        self._part.append(text)
        self._size += len(text)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if self._silent or tag in _WITHOUT_TEXT:
            self._silent += 1
            return
        name = self._name(tag)
        if self._written and any({name, self._written[-1]} <= group for group in _NEVER_NESTED):
            self._end_before_time()
        self._open.append(name)
        self._heads += tag == "thead"
        if name:
            if self._size > _PART and (name in _BREAKS or self._size > 4 * _PART):
                self.cut()
            self._write(self._start_tag(name, attributes))
            self._written.append(name)
        if len(self._written) > _DEEPEST or len(self._open) > _DEEPEST_OF_ALL:
            raise Unreadable("its elements are nested too deeply")

    def _name(self, tag: str) -> str:
        """Return the name of the element that is written for a tag, or an empty string."""
        if tag == "title":
            return "" if self._written else "p"
        if tag == "td" and self._heads:
            return "th"  # so thead, for whose rows the converter reads the whole table, need not be written
        if tag == "caption":
            return "caption" if self._written[-1:] == ["table"] else "p"
        is_again = tag in _INLINE and tag in self._written  # as where end tags are forgotten
        return tag if tag in _WRITTEN and not is_again else ""

    def _start_tag(self, name: str, attributes: Mapping[str, str]) -> str:
        if name == "caption":
            return "</table><p>"  # a row behind a caption would not be the first row
        if name == "ol":
            start = attributes.get("start", "")
            self._numbers.append(int(start) if re.fullmatch("[0-9]{1,9}", start) else 1)
        elif name == "li" and self._written[-1:] == ["ol"]:
            self._numbers[-1] += 1
            return f'<li value="{self._numbers[-1] - 1}">'
        elif name in ("td", "th") and re.fullmatch("[0-9]{1,2}", attributes.get("colspan", "")):
            return f'<{name} colspan="{attributes["colspan"]}">'
        return f"<{name}>"

    def end(self, tag: str) -> None:
        """End an element."""
        if self._silent:
            self._silent -= 1
            return
        self._heads -= tag == "thead"
        name = self._open.pop()
        if not name:
            return
        self._written.pop()
        if name == "ol":
            self._numbers.pop()
        if name not in _WITHOUT_END:
            self._write("</p><table>" if name == "caption" else f"</{name}>")

    def _end_before_time(self) -> None:
        """Write the end of the innermost element that is written; at its own end nothing is."""
        name = self._written.pop()
        self._write(f"</{name}>")
        self._open[len(self._open) - 1 - self._open[::-1].index(name)] = ""

    def data(self, data: str) -> None:
        """Write text, of any length."""
        if not self._silent:
            for start in range(0, len(data), _PART):
                self._write_text(data[start : start + _PART])

    def _write_text(self, data: str) -> None:
        if "pre" not in self._written:
            # The converter does so too, in the square of their number.
            data = _BLANKS.sub(lambda blank: "\n" if "\n" in blank[0] else " ", data)
        if self._size > 4 * _PART and (" " in data or self._size > 8 * _PART):
            before, _, data = data.rpartition(" ")
            self._write(html.escape(before, quote=False))
            self.cut()
        self._write(html.escape(data, quote=False))

    def close(self) -> None:
        """End the page."""
