"""HTML as Markdown, a part of a long page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from minilm.documents.content import Unreadable
from minilm.errors import described, import_extra

# Characters of a page that are converted at a time: the tree of a part takes thirty times its size.
_PART = 1 << 20
# Tags before which a part may end, and after four times its size it may end anywhere.
_BREAKS = frozenset(
    "h1 h2 h3 h4 h5 h6 p div section article li tr dt dd table ul ol dl pre blockquote".split()  # noqa: SIM905
)
# Elements that make something else of what is in them: a part that begins in one begins with its tag.
_AROUND = frozenset(["table", "ul", "ol", "dl", "pre", "blockquote"])
_WITHOUT_TEXT = frozenset(["script", "style"])
_DEEPEST = 100  # of those elements; a few times as many, and the converter gives up
_OPTIONS = {"heading_style": "ATX", "escape_asterisks": False, "escape_underscores": False}


def markdown_of(texts: Iterable[str]) -> Iterator[str]:
    """Yield the text of a page of HTML as Markdown, so that it keeps headings, lists and tables.

    Raises
    ------
    Unreadable
        If the page cannot be converted, for instance as its elements are nested too deeply.
    """
    markdownify = import_extra("markdownify", feature="an index of HTML", extra="index")
    joint = ""
    try:
        for part in _parts(texts):
            yield joint + markdownify.markdownify(part, strip=["a", "img"], **_OPTIONS).lstrip(joint)
            joint = "\n\n"
    except (Unreadable, OSError, MemoryError):
        raise
    except RecursionError:
        raise Unreadable("its elements are nested too deeply") from None
    except Exception as error:  # html.parser has an AssertionError for a broken declaration
        raise Unreadable(f"it is damaged HTML ({described(error)})") from error


def _parts(texts: Iterable[str]) -> Iterator[str]:
    """Yield a page in parts that are pages of their own; a short one as it is."""
    whole = ""
    parser: _Parser | None = None
    for text in texts:
        if parser is None:
            whole += text
            if len(whole) <= _PART:
                continue
            parser, text = _Parser(), whole  # noqa: PLW2901 - all so far
        parser.feed(text)
        yield from parser.taken()
    if parser is None:
        yield whole
    else:
        parser.close()
        parser.cut()
        yield from parser.taken()


class _Parser(HTMLParser):
    """It writes what it reads into parts, without comments and what has no text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._parts: list[str] = []
        self._part: list[str] = []
        self._size = 0
        self._around: list[tuple[str, str]] = []  # the open elements of _AROUND: names and tags

    def taken(self) -> list[str]:
        """Return the parts that are ready."""
        parts, self._parts = self._parts, []
        return parts

    def cut(self) -> None:
        """Begin a new part."""
        self._parts.append("".join(self._part))
        self._part = [tag for _, tag in self._around]
        self._size = 0

    def _write(self, text: str) -> None:
        self._part.append(text)
        self._size += len(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        if self._size > _PART and (tag in _BREAKS or self._size > 4 * _PART):
            self.cut()
        source = str(self.get_starttag_text())
        self._write(source)
        if tag in _AROUND:
            self._around.append((tag, source))
            if len(self._around) > _DEEPEST:
                raise Unreadable("its elements are nested too deeply")

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        del tag, attrs
        self._write(str(self.get_starttag_text()))

    def handle_endtag(self, tag: str) -> None:
        self._write(f"</{tag}>")
        names = [name for name, _ in self._around]
        if tag in names:
            del self._around[len(names) - 1 - names[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in _WITHOUT_TEXT:
            return
        if self._size > 4 * _PART and " " in data:
            before, _, data = data.rpartition(" ")
            self._write(before)
            self.cut()
        self._write(data)

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")
