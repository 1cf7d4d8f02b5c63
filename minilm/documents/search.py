"""Search a table of pieces: the nearest pieces, grouped by document."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from minilm.corpus.formats.columns import Arrow, UnkeptColumnError
from minilm.cross_encoder import CrossEncoder
from minilm.documents.metadata import json_value, metadata_values
from minilm.documents.snippet import Snippet, snippets_of
from minilm.documents.table import (
    APPROXIMATE_ABOVE,
    Lance,
    TableRecipe,
    lance_errors,
    metadata_of,
    open_table,
    recipe_of,
)
from minilm.errors import CorpusError, import_extra, is_panic, one_line
from minilm.model import MiniLM

_COLUMNS = ["document", "path", "piece", "start", "end", "line", "end_line", "heading", "text"]

# Pieces that are looked at per piece that is returned, by a reranker or behind an approximate index
CANDIDATES = 5


Rows = list[dict[str, Any]]

# Functions of SQL by which a short condition takes all memory, and the texts in a condition.
_GROWING = re.compile(
    r"\b(repeat|lpad|rpad|(?:array|list)_(?:repeat|resize)|range|generate_series)\s*\(", re.IGNORECASE
)
_LITERAL = re.compile(r"'(?:[^']|'')*'")


class PieceHit(NamedTuple):
    """A piece that was found, and its place in the document."""

    score: float  # cosine with the query; of a hybrid search its reciprocal ranks, of a reranker its score
    piece: int
    start: int
    end: int
    line: int | None  # None if the text has no lines of a file: HTML, PDF, a row of a table
    end_line: int | None
    heading: str
    text: str
    snippet: Snippet


class DocumentHit(NamedTuple):
    """A document that was found, with the pieces of it that were, the best first."""

    document: str
    path: str
    score: float  # of its best piece
    # Of a row of a table: its other columns, without nulls. Dates, times and decimal numbers are texts with
    # all digits. Bytes and durations are bytes and timedelta; the rest are numbers, texts, lists and dicts.
    metadata: dict[str, Any]
    pieces: list[PieceHit]


def search_table(
    place: str,
    query: str,
    model: MiniLM,
    k: int,
    *,
    where: str | None = None,
    hybrid: bool = False,
    reranker: CrossEncoder | None = None,
) -> list[DocumentHit]:
    """Return the best ``k`` pieces of a table, grouped by document; see ``Documents.search``."""
    if reranker is not None and not isinstance(reranker, CrossEncoder):
        raise TypeError(f"reranker must be a CrossEncoder, not {type(reranker).__name__}")
    if reranker is not None and reranker.num_labels != 1:
        raise ValueError(f"reranker must have one label, and {reranker!r} has {reranker.num_labels}")
    table = open_table(place)
    made_with = recipe_of(table, place)
    made_with.check_model(TableRecipe.of(model, made_with.tokens, made_with.overlap), place)
    metadata = metadata_of(table).names
    vector = model.encode_query(query).tolist()
    with lance_errors(place):
        count = table.count_rows()
        most = min(k if reranker is None else k * CANDIDATES, max(count, 1))

        def found_where(condition: str | None) -> Arrow:
            search = (
                _hybrid_search(table, query, vector) if hybrid else _vector_search(table, vector, metadata)
            )
            if count <= APPROXIMATE_ABOVE:  # a table that was larger has its index still
                search = search.bypass_vector_index()
            search = search.limit(most)
            rows = search if condition is None else search.where(condition, prefilter=True)
            return rows.to_arrow()

        found = found_where(None) if where is None else _found(found_where, where)
    rows = _rows_of(found, metadata, place)
    scores = [row["_relevance_score"] if hybrid else 1 - row["_distance"] for row in rows]
    if reranker is not None and rows:
        scores = reranker.predict([(query, row["text"]) for row in rows]).tolist()
        order = sorted(range(len(rows)), key=lambda i: -scores[i])[:k]
        rows, scores = [rows[i] for i in order], [scores[i] for i in order]
    snippets = snippets_of(query, [row["text"] for row in rows], model)
    return _grouped(rows, scores, snippets, metadata)


def _vector_search(table: Lance, vector: Sequence[float], metadata: Sequence[str]) -> Lance:
    search = table.search(vector, vector_column_name="vector").distance_type("cosine")
    # of an approximate index, more candidates are compared by their whole vectors
    return search.refine_factor(CANDIDATES).select([*_COLUMNS, *metadata, "_distance"])


def _hybrid_search(table: Lance, query: str, vector: Sequence[float]) -> Lance:
    """Join the nearest pieces and those with the words of the query by their reciprocal ranks."""
    rerankers = import_extra("lancedb.rerankers", feature="a hybrid search", extra="index")
    search = table.search(query_type="hybrid", vector_column_name="vector", fts_columns="text")
    return search.vector(vector).text(query).distance_type("cosine").rerank(rerankers.RRFReranker())


def _rows_of(found: Arrow, metadata: Sequence[str], place: str) -> Rows:
    """Return what a search found as values by name: those of metadata without a loss."""
    columns = {}
    for name, column in zip(found.column_names, found.columns, strict=True):
        try:
            chunks = [
                metadata_values(name, chunk) if name in metadata else chunk.to_pylist()
                for chunk in column.chunks
            ]
        except UnkeptColumnError as error:  # of a table that an older minilm or another program wrote
            reason = f"its column {name!r} has a value that cannot be shown: {error.reason}"
            raise CorpusError(f"{place}: {reason}") from None
        columns[name] = list(chain.from_iterable(chunks))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _found(found_where: Callable[[str | None], Arrow], where: str) -> Arrow:
    """Return what fulfils a condition, or raise a ValueError if the condition is at fault."""
    if called := _GROWING.search(_LITERAL.sub("''", where)):
        raise ValueError(
            f"where {where!r} calls {called[1]}, which is not allowed: its values may be of any size"
        )
    try:
        # In brackets, for LanceDB reads only to where a condition may end; the new line ends a comment
        return found_where(f"({where}\n)")
    except MemoryError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        found_where(None)  # if the table is at fault, this raises
        reason = one_line(str(error).partition(", /")[0])  # without a place in the source of LanceDB
        problem = "understood" if isinstance(error, ValueError) else "computable for every piece"
        raise ValueError(f"where {where!r} is not {problem}: {reason}") from None


def _grouped(
    rows: Sequence[dict[str, Any]],
    scores: Sequence[float],
    snippets: Sequence[Snippet],
    metadata: Sequence[str],
) -> list[DocumentHit]:
    """Group rows by document, in the order in which they come."""
    hits: dict[str, DocumentHit] = {}
    for row, score, snippet in zip(rows, scores, snippets, strict=True):
        own = {name: row[name] for name in PieceHit._fields if name not in ("score", "snippet")}
        piece = PieceHit(score=score, **own, snippet=snippet)
        if (document := row["document"]) not in hits:
            known = {name: row[name] for name in metadata if row[name] is not None}
            hits[document] = DocumentHit(document, row["path"], score, known, [])
        hits[document].pieces.append(piece)
    return list(hits.values())


def hit_fields(hit: DocumentHit) -> dict[str, Any]:
    """Return a document that was found as JSON has it: docs/documents.md describes the fields."""
    pieces = []
    for piece in hit.pieces:
        snippet = {"text": piece.snippet.text, "marks": [list(mark) for mark in piece.snippet.marks]}
        pieces.append({**piece._asdict(), "snippet": snippet})
    return {**hit._asdict(), "metadata": json_value(hit.metadata), "pieces": pieces}
