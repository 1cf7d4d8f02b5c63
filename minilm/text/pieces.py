"""A long text in pieces that the model can read whole: along headings, paragraphs, sentences and words.

semantic-text-splitter cuts, and counts tokens by the checkpoint's own tokenizer. Between two pieces there is
nothing but white space, so the pieces hold every token of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args
from weakref import WeakKeyDictionary

from tokenizers import Tokenizer as Backend

from minilm._arguments import positive_int, unknown_name, whole_number
from minilm.errors import import_extra
from minilm.text.calls import TokenizerCalls
from minilm.text.inputs import check_text

# A text is cut a part at a time: the splitter's memory is many times the size of what it is given.
_PART = 1 << 20
# A line that is longer is given to the splitter a window at a time. For each piece the splitter looks for
# the end of a word or sentence that may be the rest of the line, and counts its tokens: "a." 32,000 times
# took 7 s. Lines of ordinary texts are shorter. A piece of many tokens has longer windows.
_LINE = 1 << 12
_LINE_PER_TOKEN = 32
# Where a window ends, a word may be cut. No piece is taken that ends so near to it that this could matter:
# BERT reads a word of more than 100 characters as one token.
_UNSURE = 256

Markup = Literal["text", "markdown"]
_SPLITTERS: dict[str, str] = {"text": "TextSplitter", "markdown": "MarkdownSplitter"}


class Piece(NamedTuple):
    """A piece of a text: ``text[start:end]``, and how many tokens it has, special ones not counted."""

    start: int
    end: int
    text: str
    tokens: int


def split(
    text: str,
    model: Any,  # noqa: ANN401 - a MiniLM or a CrossEncoder, which stand above this module
    tokens: int = 128,
    overlap: int = 0,
    *,
    markup: Markup = "text",
) -> list[Piece]:
    """Pieces of a text that the model can read whole, in the order of the text.

    Parameters
    ----------
    text : str
        A text of any length.
    model : MiniLM, CrossEncoder or Tokenizer
        Its tokenizer counts the tokens.
    tokens : int
        The most tokens of a piece, ``[CLS]`` and ``[SEP]`` included, as ``max_seq_length`` counts them.
        all-MiniLM-L6-v2 was trained on 128.
    overlap : int
        The most tokens that a piece repeats from the end of the previous one.
    markup : {"text", "markdown"}
        What a piece ends at, if it can: for "markdown" first of all at headings, lists and code blocks.

    Returns
    -------
    list of Piece
        Each has ``start``, ``end`` (characters of ``text``), ``text`` and ``tokens``. White space around a
        piece is left out, so a text of white space has no pieces. A piece ends inside a word only if the word
        alone has more than ``tokens``.

    Raises
    ------
    MissingExtraError
        If semantic-text-splitter is not installed, which the extra "index" brings.
    ValueError
        If ``tokens`` is more than the model reads, or leaves no room for a token that is not repeated.

    Examples
    --------
    >>> from minilm import MiniLM, split
    >>> text = "Passwords are reset at the front desk. The canteen opens at noon."
    >>> [(piece.start, piece.end, piece.tokens) for piece in split(text, MiniLM(), tokens=12)]
    [(0, 38, 9), (39, 65, 6)]
    """
    cut = piece_cutter(model, tokens, overlap, markup=markup)
    found, start = list[Piece](), 0
    text = check_text("text", text)
    while start < len(text):
        end = end_of_part(text, start)
        found += cut(start, text[start:end])
        start = end
    return found


def piece_cutter(
    model: Any,  # noqa: ANN401 - as above
    tokens: int = 128,
    overlap: int = 0,
    *,
    markup: Markup = "text",
) -> Callable[[int, str], Iterator[Piece]]:
    """Return a function that yields the pieces of a part of a text, given its place and itself.

    The arguments are those of :func:`split`. No piece goes on beyond its part.
    """
    tokenizer: TokenizerCalls = getattr(model, "tokenizer", model)
    if not isinstance(tokenizer, TokenizerCalls):
        raise TypeError(f"model must be a MiniLM, a CrossEncoder or a Tokenizer, not {type(model).__name__}")
    if markup not in get_args(Markup):
        raise unknown_name("markup", markup, get_args(Markup))
    room = piece_room(tokenizer, tokens, overlap)
    backend = tokenizer.backend_of_length(None)
    splitter = _splitter(tokenizer, markup, room, overlap)
    width = max(_LINE, _LINE_PER_TOKEN * room)

    def cut(start: int, part: str) -> Iterator[Piece]:
        found = _chunks(splitter, part, width)
        counted = backend.encode_batch_fast([piece for _, piece in found], add_special_tokens=False)
        for (place, piece), encoding in zip(found, counted, strict=True):
            yield Piece(start + place, start + place + len(piece), piece, len(encoding.ids))

    return cut


def _chunks(splitter: Any, part: str, width: int) -> list[tuple[int, str]]:  # noqa: ANN401 - it has no types
    """Return what ``splitter.chunk_indices(part)`` does, in time that grows with the length of any text.

    Only lines longer than ``width`` are read in windows. The last piece of a window may go on behind it, so
    the next window begins where that piece does. One in which no piece is sure is read again, twice as long.
    """
    # What stands behind a line break only: else each place in a line that is just too short is tried.
    lines = [match.span() for match in re.finditer(rf"(?<![^\n\r])[^\n\r]{{{width},}}", part)]
    found, start, size, covered = list[tuple[int, str]](), 0, width, 0
    while start < len(part):
        lines = [line for line in lines if line[1] > start]
        ends = (max(start, first) + size for first, last in lines if max(start, first) + size < last)
        end = next(ends, len(part))
        chunks = [(start + place, chunk) for place, chunk in splitter.chunk_indices(part[start:end])]
        sure = len(chunks)
        if end < len(part):
            sure = sum(place + len(chunk) <= end - _UNSURE for place, chunk in chunks[:-1])
            if not sure:
                size *= 2
                continue
        for place, chunk in chunks[:sure]:
            if place + len(chunk) > covered:  # with an overlap, a window may begin with what is in a piece
                found.append((place, chunk))
                covered = place + len(chunk)
        start, size = (chunks[sure][0] if sure < len(chunks) else end), width
    return found


def end_of_part(text: str, start: int = 0) -> int:
    """Return where a part of a text ends: at its end, or before a heading, behind a paragraph or a line."""
    stop = start + _PART
    if len(text) <= stop:
        return len(text)
    ends = (text.rfind(mark, start + _PART // 2, stop) for mark in ("\n#", "\n\n", "\n", " "))
    return next((end + 1 for end in ends if end >= 0), stop)


# Of each tokenizer while it lives: a splitter parses a copy of it, which takes longer than most texts do.
_makers: WeakKeyDictionary[TokenizerCalls, Callable[[Markup, int, int], Any]] = WeakKeyDictionary()


def _splitter(tokenizer: TokenizerCalls, markup: Markup, room: int, overlap: int) -> Any:  # noqa: ANN401 - it has no types
    """Return a splitter of semantic-text-splitter that counts by this tokenizer."""
    if tokenizer not in _makers:
        _makers[tokenizer] = _splitter_maker(tokenizer.backend_of_length(None))
    return _makers[tokenizer](markup, room, overlap)


def _splitter_maker(backend: Backend) -> Callable[[Markup, int, int], Any]:
    """Return a function that makes the splitters of a tokenizer, and keeps a few: each has a vocabulary."""
    module = import_extra("semantic_text_splitter", feature="cutting texts into pieces", extra="index")

    @lru_cache(maxsize=4)
    def make(markup: Markup, room: int, overlap: int) -> Any:  # noqa: ANN401 - it has no types
        return getattr(module, _SPLITTERS[markup]).from_huggingface_tokenizer(backend, room, overlap)

    return make


def piece_room(tokenizer: TokenizerCalls, tokens: int, overlap: int) -> int:
    """Return how many tokens of a text a piece may have; raise a ValueError for sizes that cannot be."""
    longest = tokenizer.max_seq_length
    added = tokenizer.backend.num_special_tokens_to_add(is_pair=False)
    if not added < positive_int("tokens", tokens) <= longest:
        raise ValueError(
            f"tokens must lie in {added + 1} to {longest} (max_seq_length) for this model, not {tokens}"
        )
    room = tokens - added
    if whole_number("overlap", overlap) >= room:
        raise ValueError(f"overlap must be below the {room} tokens of a piece, not {overlap}")
    return room
